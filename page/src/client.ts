/** The page's end of the worker. */
import { PageError } from "./errors";
import type { Answer, Calls, Request } from "./worker";

export class Client {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  private count = 0;

  constructor(address: string, report: (what: string, share: number) => void) {
    this.worker = new Worker(address, { type: "module", name: "dptscope" });
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if ("what" in data) return report(data.what, data.share);
      const caller = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) caller?.reject(new PageError(data.error));
      else caller?.resolve(data.result);
    };
    this.worker.onerror = (event) => {
      for (const caller of this.waiting.values()) caller.reject(new PageError(event.message || "The worker that runs the model could not be started in this browser."));
      this.waiting.clear();
    };
  }

  call<K extends keyof Calls>(name: K, ...given: Parameters<Calls[K]>): ReturnType<Calls[K]> {
    const id = ++this.count;
    return new Promise<unknown>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, name, given } satisfies Request);
    }) as ReturnType<Calls[K]>;
  }

  /** Its memory goes back: WebAssembly's never shrinks, so every model gets a worker of its own. */
  close(): void {
    this.worker.terminate();
  }
}
