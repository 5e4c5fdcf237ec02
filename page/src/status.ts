/** What the page says, and what it does one after the other. */
import { byId, within } from "./dom";
import { Closed, inWords, PageError } from "./errors";

export class Status {
  private work: Promise<void> = Promise.resolve();
  private waiting = 0;

  constructor() {
    within<HTMLButtonElement>(byId("problem"), "button").onclick = () => this.problem("");
  }

  /** Words on what is under the pointer, or on what has been done. */
  say(text: string): void {
    byId("readout").textContent = text;
  }

  /** Sizes and times of what is shown. */
  facts(text: string): void {
    byId("facts").textContent = text;
  }

  /** How far something is, 0 to 1; null: it is not known. */
  progress(text: string, share: number | null): void {
    const bar = byId<HTMLProgressElement>("progress");
    bar.hidden = !text;
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    this.say(text);
  }

  failed(error: unknown): void {
    if (error instanceof Closed) return;
    this.problem(inWords(error));
    if (!(error instanceof PageError)) console.error(error);
  }

  private problem(text: string): void {
    byId("problem").hidden = !text;
    within(byId("problem"), "span").textContent = text;
  }

  /** Do it when what came before is done; what goes wrong is said. */
  do(task: () => Promise<void>): void {
    this.problem("");
    this.waiting++;
    document.body.setAttribute("aria-busy", "true");
    this.work = this.work.then(async () => {
      try {
        await task();
      } catch (error) {
        this.say("");
        this.failed(error);
      }
      byId("progress").hidden = true;
      if (--this.waiting === 0) document.body.setAttribute("aria-busy", "false");
    });
  }
}
