/** Photo to the model's input, with the original projects' own rules; see `docs/contract.md`, "From photo to depth". */
import type { Card, Preparation } from "./card";

export type Size = [height: number, width: number];

/** Red, green, blue, alpha as a canvas gives them. */
export interface Pixels {
  data: Uint8ClampedArray | Uint8Array;
  height: number;
  width: number;
}

/** Height and width at which the model sees a photo; `side` in place of the native one. */
export function inputSize(card: Card, photo: Size, side: number | null = null): Size {
  const rule = card.preparation;
  if (!card.dynamic) return card.native_size;
  const native: Size = side === null ? card.native_size : [side, side];
  if (rule.resize_rule === "exact") return native;
  if (rule.resize_rule === "longest") {
    const nearest = (length: number): number =>
      Math.max(Math.floor((length + Math.floor(rule.multiple / 2)) / rule.multiple), 1) * rule.multiple;
    const [height, width] = withLongest(photo, Math.max(...native));
    return [nearest(height), nearest(width)];
  }
  const [high, wide] = [native[0] / photo[0], native[1] / photo[1]];
  const lower = rule.resize_rule === "lower_bound";
  const factor = lower ? Math.max(high, wide) : Math.abs(1 - wide) < Math.abs(1 - high) ? wide : high;
  const multiple = (length: number, least: number): number => {
    const rounded = roundHalfEven(length / rule.multiple) * rule.multiple;
    return rounded >= least ? rounded : Math.ceil(length / rule.multiple) * rule.multiple;
  };
  return [
    multiple(factor * photo[0], lower ? native[0] : rule.multiple),
    multiple(factor * photo[1], lower ? native[1] : rule.multiple),
  ];
}

function withLongest(photo: Size, longest: number): Size {
  const factor = longest / Math.max(...photo);
  return [Math.max(1, roundHalfEven(photo[0] * factor)), Math.max(1, roundHalfEven(photo[1] * factor))];
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** The input tensor's numbers, `[3, height, width]`. */
export function prepare(photo: Pixels, size: Size, rule: Preparation): Float32Array {
  const bytes = rule.interpolation === "uint8_area_or_cubic";
  const source = bytes ? inBytes(photo, size) : photo;
  const [height, width] = size;
  const input = new Float32Array(3 * height * width);
  for (let channel = 0; channel < 3; channel++) {
    const plane = bytes ? channelOf(source, channel) : cubic(channelOf(source, channel), source, size);
    for (let i = 0; i < height * width; i++) {
      input[channel * height * width + i] = (plane[i] - rule.mean[channel]) / rule.std[channel];
    }
  }
  return input;
}

function channelOf(photo: Pixels, channel: number): Float64Array {
  const plane = new Float64Array(photo.height * photo.width);
  for (let i = 0; i < plane.length; i++) plane[i] = photo.data[4 * i + channel] / 255;
  return plane;
}

/** Where the four values lie that one is made of, and how much of each: OpenCV's cubic kernel, whose weights are float32. */
function cubicTaps(from: number, to: number): { places: Int32Array; weights: Float32Array } {
  const A = -0.75;
  const places = new Int32Array(4 * to);
  const weights = new Float32Array(4 * to);
  for (let i = 0; i < to; i++) {
    const at = Math.fround((i + 0.5) * (from / to) - 0.5);
    const low = Math.floor(at);
    const x = Math.fround(at - low);
    const first = ((A * (x + 1) - 5 * A) * (x + 1) + 8 * A) * (x + 1) - 4 * A;
    const second = ((A + 2) * x - (A + 3)) * x * x + 1;
    const third = ((A + 2) * (1 - x) - (A + 3)) * (1 - x) * (1 - x) + 1;
    weights.set([first, second, third, 1 - first - second - third], 4 * i);
    for (let k = 0; k < 4; k++) places[4 * i + k] = Math.min(Math.max(low - 1 + k, 0), from - 1);
  }
  return { places, weights };
}

/** OpenCV's `INTER_CUBIC`: coefficient -0.75, half-pixel centres, border repeated, no antialiasing, overshoot kept. */
export function cubic(values: Float64Array | Float32Array, from: Pixels | { height: number; width: number }, to: Size): Float64Array {
  const [height, width] = to;
  const across = cubicTaps(from.width, width);
  const down = cubicTaps(from.height, height);
  const resized = new Float64Array(height * width);
  let rows = new Map<number, Float64Array>(); // of the photo, at the new width: only those that are needed, each once
  for (let y = 0; y < height; y++) {
    const kept = new Map<number, Float64Array>();
    for (let k = 0; k < 4; k++) {
      const place = down.places[4 * y + k];
      const row = kept.get(place) ?? rows.get(place) ?? widened(values, place * from.width, across, width);
      kept.set(place, row);
      const weight = down.weights[4 * y + k];
      for (let x = 0; x < width; x++) resized[y * width + x] += weight * row[x];
    }
    rows = kept;
  }
  return resized;
}

function widened(values: Float64Array | Float32Array, start: number, taps: { places: Int32Array; weights: Float32Array }, width: number): Float64Array {
  const row = new Float64Array(width);
  const { places, weights } = taps;
  for (let x = 0; x < width; x++) {
    const i = 4 * x;
    row[x] =
      weights[i] * values[start + places[i]] +
      weights[i + 1] * values[start + places[i + 1]] +
      weights[i + 2] * values[start + places[i + 2]] +
      weights[i + 3] * values[start + places[i + 3]];
  }
  return row;
}

/** The photo at a size in bytes, rounded after each of two steps: the longer side first, then the multiples. */
function inBytes(photo: Pixels, size: Size): Pixels {
  let source = photo;
  for (const to of [withLongest([photo.height, photo.width], Math.max(...size)), size]) {
    if (to[0] === source.height && to[1] === source.width) continue;
    const grows = to[0] > source.height || to[1] > source.width;
    const data = new Uint8Array(4 * to[0] * to[1]);
    for (let channel = 0; channel < 3; channel++) {
      const plane = channelOf(source, channel).map((value) => value * 255);
      const resized = grows ? cubic(plane, source, to) : area(plane, source, to);
      for (let i = 0; i < resized.length; i++) data[4 * i + channel] = Math.min(Math.max(roundHalfEven(resized[i]), 0), 255);
    }
    source = { data, height: to[0], width: to[1] };
  }
  return source;
}

/** OpenCV's `INTER_AREA` for a photo that becomes smaller: every pixel counts by the part of it that is covered. */
function area(values: Float64Array, from: Pixels, to: Size): Float64Array {
  const across = areaTaps(from.width, to[1]);
  const down = areaTaps(from.height, to[0]);
  const resized = new Float64Array(to[0] * to[1]);
  for (let y = 0; y < to[0]; y++) {
    for (const [row, share] of down[y]) {
      for (let x = 0; x < to[1]; x++) {
        for (const [column, weight] of across[x]) resized[y * to[1] + x] += share * weight * values[row * from.width + column];
      }
    }
  }
  return resized;
}

function areaTaps(from: number, to: number): [place: number, weight: number][][] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const [start, end] = [i * scale, Math.min((i + 1) * scale, from)];
    const taps: [number, number][] = [];
    for (let place = Math.floor(start); place < end; place++) {
      const covered = Math.min(place + 1, end) - Math.max(place, start);
      if (covered > 1e-3 || taps.length === 0) taps.push([place, covered]);
    }
    const sum = taps.reduce((total, [, weight]) => total + weight, 0);
    return taps.map(([place, weight]) => [place, weight / sum]);
  });
}

/** A depth map at the photo's size, as the original project brings it there. */
export function toPhotoSize(depth: Float32Array, from: Size, to: Size, how: Preparation["output_resize"]): Float32Array {
  if (how === "bicubic") return new Float32Array(cubic(depth, { height: from[0], width: from[1] }, to));
  const corners = how === "bilinear_align_corners";
  const across = linearTaps(from[1], to[1], corners);
  const down = linearTaps(from[0], to[0], corners);
  const resized = new Float32Array(to[0] * to[1]);
  for (let y = 0; y < to[0]; y++) {
    const [top, bottom, v] = down[y];
    for (let x = 0; x < to[1]; x++) {
      const [left, right, u] = across[x];
      const above = depth[top * from[1] + left] * (1 - u) + depth[top * from[1] + right] * u;
      const below = depth[bottom * from[1] + left] * (1 - u) + depth[bottom * from[1] + right] * u;
      resized[y * to[1] + x] = above * (1 - v) + below * v;
    }
  }
  return resized;
}

function linearTaps(from: number, to: number, corners: boolean): [low: number, high: number, share: number][] {
  return Array.from({ length: to }, (_, i) => {
    const at = corners ? (to > 1 ? (i * (from - 1)) / (to - 1) : 0) : Math.max(((i + 0.5) * from) / to - 0.5, 0);
    const low = Math.min(Math.floor(at), from - 1);
    return [low, Math.min(low + 1, from - 1), at - low];
  });
}
