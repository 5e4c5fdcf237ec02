/** Resizing as the original projects do it, with OpenCV, Pillow or PyTorch; `dptscope.resize` and `dptscope.prepare` once more. */
import type { Preparation } from "./card";

export type Size = [height: number, width: number];

/** One row of a map; what is asked for next may be written into the same array. */
export type Row = (y: number) => ArrayLike<number>;

type Taps = [place: number, weight: number][]; // what a value is made of

export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

function rowsOf(values: Float32Array | Float64Array, width: number): Row {
  return (y) => values.subarray(y * width, (y + 1) * width);
}

/** OpenCV's cubic kernel, whose weights are float32, and so are places, unless they are `exact`. */
function cubicTaps(from: number, to: number, i: number, exact = false): Taps {
  const A = -0.75;
  const place = (i + 0.5) * (from / to) - 0.5;
  const at = exact ? place : Math.fround(place);
  const low = Math.floor(at);
  const x = exact ? at - low : Math.fround(at - low);
  const first = ((A * (x + 1) - 5 * A) * (x + 1) + 8 * A) * (x + 1) - 4 * A;
  const second = ((A + 2) * x - (A + 3)) * x * x + 1;
  const third = ((A + 2) * (1 - x) - (A + 3)) * (1 - x) * (1 - x) + 1;
  return [first, second, third, 1 - first - second - third].map((weight, k) => [
    Math.min(Math.max(low - 1 + k, 0), from - 1),
    Math.fround(weight),
  ]);
}

/** OpenCV's `INTER_CUBIC`: coefficient -0.75, half-pixel centres, border repeated, no antialiasing, overshoot kept. */
export function cubic(row: Row, from: Size, to: Size, exact = false): Float64Array {
  const [height, width] = to;
  const places = new Int32Array(4 * width);
  const weights = new Float32Array(4 * width);
  for (let x = 0; x < width; x++) {
    cubicTaps(from[1], width, x, exact).forEach(([place, weight], k) => {
      places[4 * x + k] = place;
      weights[4 * x + k] = weight;
    });
  }
  const widened = (values: ArrayLike<number>): Float64Array => {
    const wide = new Float64Array(width);
    for (let x = 0, i = 0; x < width; x++, i += 4) {
      wide[x] =
        weights[i] * values[places[i]] +
        weights[i + 1] * values[places[i + 1]] +
        weights[i + 2] * values[places[i + 2]] +
        weights[i + 3] * values[places[i + 3]];
    }
    return wide;
  };
  const resized = new Float64Array(height * width);
  let rows = new Map<number, Float64Array>(); // at the new width: only those that are needed, each once
  for (let y = 0; y < height; y++) {
    const kept = new Map<number, Float64Array>();
    for (const [place, weight] of cubicTaps(from[0], height, y, exact)) {
      const wide = kept.get(place) ?? rows.get(place) ?? widened(row(place));
      kept.set(place, wide);
      for (let x = 0; x < width; x++) resized[y * width + x] += weight * wide[x];
    }
    rows = kept;
  }
  return resized;
}

/** The same of bytes, which Intel's library does for OpenCV. */
export function cubicBytes(row: Row, from: Size, to: Size): Float64Array {
  return cubic(row, from, to, true);
}

/** OpenCV's `INTER_AREA` for a photo that becomes smaller: every pixel counts by the part of it that is covered. */
export function area(row: Row, from: Size, to: Size): Float64Array {
  const across = Array.from({ length: to[1] }, (_, x) => areaTaps(from[1], to[1], x));
  const resized = new Float64Array(to[0] * to[1]);
  for (let y = 0; y < to[0]; y++) {
    for (const [place, share] of areaTaps(from[0], to[0], y)) {
      const values = row(place);
      for (let x = 0; x < to[1]; x++) {
        for (const [column, weight] of across[x]) resized[y * to[1] + x] += share * weight * values[column];
      }
    }
  }
  return resized;
}

function areaTaps(from: number, to: number, i: number): Taps {
  const scale = from / to;
  const [start, end] = [i * scale, Math.min((i + 1) * scale, from)];
  const taps: Taps = [];
  for (let place = Math.floor(start); place < end; place++) {
    const covered = Math.min(place + 1, end) - Math.max(place, start);
    if (covered > 1e-3 || taps.length === 0) taps.push([place, covered]);
  }
  const sum = taps.reduce((total, [, weight]) => total + weight, 0);
  return taps.map(([place, weight]) => [place, weight / sum]);
}

const ONE = 2 ** 22; // of Pillow's weights, which are whole numbers

/** Pillow's `BILINEAR`: a triangle as wide as two pixels of the coarser image, rounded to bytes after columns and after rows. */
export function antialiased(row: Row, from: Size, to: Size): Float64Array {
  const across = Array.from({ length: to[1] }, (_, x) => triangleTaps(from[1], to[1], x));
  const narrow = new Float64Array(from[0] * to[1]);
  for (let y = 0; y < from[0]; y++) {
    const values = row(y);
    across.forEach((taps, x) => (narrow[y * to[1] + x] = byteOf(taps, (place) => values[place])));
  }
  const resized = new Float64Array(to[0] * to[1]);
  for (let y = 0; y < to[0]; y++) {
    const taps = triangleTaps(from[0], to[0], y);
    for (let x = 0; x < to[1]; x++) resized[y * to[1] + x] = byteOf(taps, (place) => narrow[place * to[1] + x]);
  }
  return resized;
}

function byteOf(taps: Taps, value: (place: number) => number): number {
  let sum = 0; // whole and below 2 to the 53: exact
  for (const [place, weight] of taps) sum += weight * value(place);
  return Math.min(Math.max(Math.floor(sum / ONE + 0.5), 0), 255);
}

function triangleTaps(from: number, to: number, i: number): Taps {
  if (from === to) return [[i, ONE]];
  const step = from / to;
  const reach = Math.max(step, 1);
  const centre = (i + 0.5) * step;
  const taps: Taps = [];
  const end = Math.min(Math.trunc(centre + reach + 0.5), from);
  for (let place = Math.max(Math.trunc(centre - reach + 0.5), 0); place < end; place++) {
    taps.push([place, Math.max(1 - Math.abs(place + 0.5 - centre) * (1 / reach), 0)]);
  }
  const sum = taps.reduce((total, [, weight]) => total + weight, 0);
  return taps.map(([place, weight]) => [place, Math.floor((weight / sum) * ONE + 0.5)]);
}

/** A depth map at the photo's size, as the original project brings it there. */
export function toPhotoSize(depth: Float32Array, from: Size, to: Size, how: Preparation["output_resize"]): Float32Array {
  if (how === "bicubic") return new Float32Array(cubic(rowsOf(depth, from[1]), from, to));
  const across = Array.from({ length: to[1] }, (_, x) => linearTaps(from[1], to[1], x, how));
  const resized = new Float32Array(to[0] * to[1]);
  for (let y = 0; y < to[0]; y++) {
    const [[top, less], [bottom, more]] = linearTaps(from[0], to[0], y, how);
    for (let x = 0; x < to[1]; x++) {
      const [[left, v], [right, u]] = across[x];
      const above = depth[top * from[1] + left] * v + depth[top * from[1] + right] * u;
      const below = depth[bottom * from[1] + left] * v + depth[bottom * from[1] + right] * u;
      resized[y * to[1] + x] = above * less + below * more;
    }
  }
  return resized;
}

/** One value of `toPhotoSize`, without the others. */
export function photoValue(depth: Float32Array, from: Size, to: Size, how: Preparation["output_resize"], at: Size): number {
  const [down, across] = [0, 1].map((axis) =>
    how === "bicubic" ? cubicTaps(from[axis], to[axis], at[axis]) : linearTaps(from[axis], to[axis], at[axis], how),
  );
  let value = 0;
  for (const [y, share] of down) {
    for (const [x, weight] of across) value += share * weight * depth[y * from[1] + x];
  }
  return value;
}

function linearTaps(from: number, to: number, i: number, how: Preparation["output_resize"]): Taps {
  const corners = how === "bilinear_align_corners";
  const at = corners ? (to > 1 ? (i * (from - 1)) / (to - 1) : 0) : Math.max(((i + 0.5) * from) / to - 0.5, 0);
  const low = Math.min(Math.floor(at), from - 1);
  return [
    [low, 1 - (at - low)],
    [Math.min(low + 1, from - 1), at - low],
  ];
}
