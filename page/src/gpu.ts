/** The graphics card, where browser, page and model allow it. What it computes is held against the processor's first. */
import type { ModelFacts, SceneFacts } from "./engine";
import { range } from "./statistics";

/** A share of the depth's range: float32 in another order differs by some 1e-6. */
export const MOST = 1e-3;

/** Whether the page has the runtime, and the browser a card and a way to wait for it (JSPI). */
export async function gpuIsThere(): Promise<boolean> {
  if (!document.getElementById("gpu-worker") || !("Suspending" in WebAssembly)) return false;
  const { gpu } = navigator as unknown as { gpu?: { requestAdapter(): Promise<unknown> } };
  return Boolean(await gpu?.requestAdapter().catch(() => null));
}

/** Why a model is not for the card, or nothing. */
export function notForTheGpu({ card }: ModelFacts): string {
  return card.form === "default" ? "This file is made for processors: export it with --portable for WebGPU." : "";
}

/** Largest difference of two depths of one photo, as a share of the first one's range. */
export function difference(first: SceneFacts, second: SceneFacts): number {
  const [low, high] = range(first.depth.values);
  const largest = first.depth.values.reduce((most, value, i) => Math.max(most, Math.abs(value - second.depth.values[i])), 0);
  return largest / Math.max(high - low, 1e-12);
}
