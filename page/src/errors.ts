/** What a person did can be helped by one sentence; everything else is a fault of the page. */
export class PageError extends Error {}

/** One sentence for whatever was thrown. */
export function inWords(error: unknown): string {
  if (error instanceof PageError) return error.message;
  const text = error instanceof Error ? error.message : String(error);
  if (/bad_alloc|out of memory|Array buffer allocation|Invalid typed array length|memory access out of bounds|grow/i.test(text)) {
    return "There is not enough memory for that in this browser: take a smaller image size or model, or dptscope on this computer.";
  }
  return text.split("\n")[0].slice(0, 300);
}
