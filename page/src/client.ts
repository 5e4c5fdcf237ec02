/** The page's end of the worker. */
import { Closed, PageError } from "./errors";
import type { Answer, Calls, Request } from "./worker";

export class Client {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  private count = 0;
  private ended: Error | null = null;

  constructor(address: string, report: (what: string, share: number) => void) {
    this.worker = new Worker(address, { type: "module", name: "dptscope" });
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if ("what" in data) return report(data.what, data.share);
      const caller = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) caller?.reject(new PageError(data.error));
      else caller?.resolve(data.result);
    };
    this.worker.onerror = (event) =>
      this.end(new PageError(event.message || "The worker that runs the model could not be started in this browser."));
  }

  call<K extends keyof Calls>(name: K, ...given: Parameters<Calls[K]>): ReturnType<Calls[K]> {
    const id = ++this.count;
    return new Promise<unknown>((resolve, reject) => {
      if (this.ended) return reject(this.ended);
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, name, given } satisfies Request);
    }) as ReturnType<Calls[K]>;
  }

  /** Its memory goes back, and who still waits for an answer is told that none will come. */
  close(): void {
    this.worker.terminate();
    this.end(new Closed());
  }

  private end(error: Error): void {
    this.ended = error;
    for (const caller of this.waiting.values()) caller.reject(error);
    this.waiting.clear();
  }
}
