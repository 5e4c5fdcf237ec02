/** Norms and what stands out among them: the rule of `dptscope.norms`, and the robust colours of the window. */

const MEDIAN_FACTOR = 2;
const ROBUST_SIGMAS = 6;
const MAD_TO_SIGMA = 1.4826; // of a normal distribution
const PERCENTILES = [1, 99] as const;

/** L2 norm of each token of `[tokens, channels]`. */
export function tokenNorms(tokens: Float32Array, channels: number): Float32Array {
  const norms = new Float32Array(tokens.length / channels);
  for (let i = 0, at = 0; i < norms.length; i++) {
    let sum = 0;
    for (const end = at + channels; at < end; at++) sum += tokens[at] * tokens[at];
    norms[i] = Math.sqrt(sum);
  }
  return norms;
}

/** Cosine similarity of every token to one, -1 to 1; 0 for tokens that are zero. */
export function similarity(tokens: Float32Array, channels: number, norms: Float32Array, to: Float32Array): Float32Array {
  const length = tokenNorms(to, channels)[0];
  const cosines = new Float32Array(norms.length);
  for (let i = 0, at = 0; i < norms.length; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++, at++) sum += tokens[at] * to[c];
    const scale = norms[i] * length;
    cosines[i] = scale > 0 ? Math.min(Math.max(sum / scale, -1), 1) : 0;
  }
  return cosines;
}

/** Linear between the neighbours, as numpy has it; `sorted` rises. */
function quantile(sorted: Float32Array, percent: number): number {
  const at = (percent / 100) * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

/** What one block's map looks like, and the ends of its colours. */
export interface Summary {
  min: number;
  max: number;
  median: number;
  threshold: number; // values above it are outliers
  outliers: number;
  low: number; // value of the first shade
  high: number; // value of the last
}

/** Sum up norms; outliers are left out of the colours, which reach from the 1st to the 99th percentile of the rest. */
export function summary(norms: Float32Array): Summary {
  const sorted = norms.slice().sort();
  const median = quantile(sorted, 50);
  const deviations = sorted.map((value) => Math.abs(value - median)).sort();
  const sigma = MAD_TO_SIGMA * quantile(deviations, 50);
  const threshold = Math.max(MEDIAN_FACTOR * median, median + ROBUST_SIGMAS * sigma);
  const rest = sorted.filter((value) => value <= threshold);
  const shown = rest.length ? rest : sorted;
  return {
    min: sorted[0],
    max: sorted[sorted.length - 1],
    median,
    threshold,
    outliers: sorted.length - rest.length,
    low: quantile(shown, PERCENTILES[0]),
    high: quantile(shown, PERCENTILES[1]),
  };
}

/** Three digits that count, without an exponent where it can be helped. */
export function number(value: number): string {
  if (value === 0) return "0";
  const size = Number(Math.abs(value).toExponential(2)); // rounded first, or 0.9999 would have a digit more than 1.0
  const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
  const text = size >= 99999.5 || size < 0.001 ? value.toExponential(1) : value.toFixed(Math.min(digits, 4));
  return text.replace("-", "−");
}

/** Least and greatest value. */
export function range(values: Float32Array): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
