/** What a person did can be helped by one sentence; everything else is a fault of the page. */
export class PageError extends Error {}

/** Asked of a model that has been closed: another one has taken its place, and nobody waits for the answer. */
export class Closed extends Error {}

// A number alone is an exception of C++ that nobody caught: of the memory, as far as was seen.
const FOR_MEMORY = /bad_alloc|out of memory|Array buffer allocation|Invalid typed array length|memory access out of bounds|memory\.grow|Aborted\(|^\d+$/i;

/** Whether it says that memory was not to be had. */
export function isForMemory(error: unknown): boolean {
  return FOR_MEMORY.test(error instanceof Error ? error.message : String(error));
}

/** One sentence for whatever was thrown. */
export function inWords(error: unknown): string {
  if (error instanceof PageError) return error.message;
  if (isForMemory(error)) {
    return "There is not enough memory for that in this browser: take a smaller image size or model, or dptscope on this computer.";
  }
  return (error instanceof Error ? error.message : String(error)).split("\n")[0].slice(0, 300);
}
