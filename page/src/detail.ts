/**
 * Fine structure for a coarse depth, taken from the last full one: what a full depth has and its own coarse one has not, times
 * how the coarse depths of then and now depend on each other in the neighbourhood. That slope is the guided filter's, on the
 * coarse grid (He and Sun 2015, "Fast Guided Filter"). The window does the same.
 */
import type { DepthMap } from "./engine";
import { toPhotoSize, type Size } from "./resize";
import { range } from "./statistics";

const REACH = 2; // coarse values to each side that a slope is taken over
const CALM = 1e-3; // a share of the squared range: where less varies, the fine structure stays as it was
const STEEPEST = 4;

export class Detail {
  private readonly fine: Float32Array;
  private readonly mean: Float32Array;
  private readonly variance: Float32Array;
  private readonly calm: number;

  /** `full` and `coarse` are of the same scales. */
  constructor(private readonly full: DepthMap, private readonly coarse: DepthMap) {
    const enlarged = larger(coarse.values, coarse.size, full.size);
    this.fine = full.values.map((value, i) => value - enlarged[i]);
    this.mean = neighbours(coarse.values, coarse.size);
    const squares = neighbours(coarse.values.map((value) => value * value), coarse.size);
    this.variance = squares.map((value, i) => value - this.mean[i] ** 2);
    const [low, high] = range(coarse.values);
    this.calm = CALM * (high - low) ** 2;
  }

  /** A coarse depth of other scales at the size of the full one, with its fine structure. */
  addedTo(now: DepthMap): DepthMap {
    const enlarged = larger(now.values, now.size, this.full.size);
    if (this.calm === 0) return { ...now, values: enlarged, size: this.full.size };
    const { size } = now;
    const mean = neighbours(now.values, size);
    const products = neighbours(now.values.map((value, i) => value * this.coarse.values[i]), size);
    const slopes = products.map((product, i) => {
      const slope = (product - this.mean[i] * mean[i] + this.calm) / (this.variance[i] + this.calm);
      return Math.min(Math.max(slope, -STEEPEST), STEEPEST);
    });
    const slope = larger(neighbours(slopes, size), size, this.full.size);
    const values = enlarged.map((value, i) => Math.max(value + slope[i] * this.fine[i], 0));
    return { ...now, values, size: this.full.size };
  }
}

function larger(values: Float32Array, from: Size, to: Size): Float32Array {
  return toPhotoSize(values, from, to, "bilinear_align_corners");
}

/** The mean of each value's neighbourhood, the border mirrored. */
function neighbours(values: Float32Array, [height, width]: Size): Float32Array {
  const across = means(values, height, width, width, 1);
  return means(across, width, height, 1, width);
}

function means(values: Float32Array, lines: number, count: number, line: number, step: number): Float32Array {
  const found = new Float32Array(values.length);
  const mirrored = (i: number): number => Math.min(Math.max(i < 0 ? -1 - i : i >= count ? 2 * count - 1 - i : i, 0), count - 1);
  for (let k = 0; k < lines; k++) {
    for (let i = 0; i < count; i++) {
      let sum = 0;
      for (let j = i - REACH; j <= i + REACH; j++) sum += values[k * line + mirrored(j) * step];
      found[k * line + i * step] = sum / (2 * REACH + 1);
    }
  }
  return found;
}
