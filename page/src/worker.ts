/** The engine behind messages, one answered after the other. */
import { Engine } from "./engine";
import { inWords } from "./errors";

type Name = "start" | "open" | "prepare" | "depth" | "photoDepth" | "similarities";

/** What the page may ask for, each answered by a promise. */
export type Calls = {
  [K in Name]: (...given: Parameters<Engine[K]>) => Promise<Awaited<ReturnType<Engine[K]>>>;
};

export interface Request {
  id: number;
  name: Name;
  given: unknown[];
}

export type Answer =
  | { id: number; result: unknown }
  | { id: number; error: string }
  | { what: string; share: number };

// onnxruntime starts its threads with this same file.
if (!self.name.startsWith("em-pthread")) {
  const post = (answer: Answer): void => self.postMessage(answer);
  const engine = new Engine((what, share) => post({ what, share }));
  let last: Promise<void> = Promise.resolve();
  self.onmessage = ({ data }: MessageEvent<Request>) => {
    last = last.then(async () => {
      try {
        const call = engine[data.name].bind(engine) as (...given: unknown[]) => unknown;
        post({ id: data.id, result: await call(...data.given) });
      } catch (error) {
        post({ id: data.id, error: inWords(error) });
      }
    });
  };
}
