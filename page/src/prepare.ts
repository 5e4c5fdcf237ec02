/** Photo to the model's input, with the original projects' own rules; see `docs/contract.md`, "From photo to depth". */
import type { Card, Preparation } from "./card";
import { antialiased, area, cubic, cubicBytes, roundHalfEven, type Row, type Size } from "./resize";

/** Red, green, blue, alpha as a canvas gives them. */
export interface Pixels {
  data: Uint8ClampedArray | Uint8Array;
  height: number;
  width: number;
}

/** Height and width at which the model sees a photo; `side` in place of its own size, unless the file is for one size. */
export function inputSize(card: Card, photo: Size, side: number): Size {
  const { resize_rule: rule, multiple } = card.preparation;
  if (!card.dynamic) return card.native_size;
  if (rule === "exact") return [side, side];
  if (rule === "longest" || rule === "pad") {
    const [height, width] = withLongest(photo, side);
    return [toMultiple(height, multiple, rule), toMultiple(width, multiple, rule)];
  }
  const [high, wide] = [side / photo[0], side / photo[1]];
  const lower = rule === "lower_bound";
  const factor = lower ? Math.max(high, wide) : Math.abs(1 - wide) < Math.abs(1 - high) ? wide : high;
  const rounded = (length: number): number => {
    const near = roundHalfEven(length / multiple) * multiple;
    return near >= (lower ? side : multiple) ? near : Math.ceil(length / multiple) * multiple;
  };
  return [rounded(factor * photo[0]), rounded(factor * photo[1])];
}

/** The nearest multiple, up where two are; or the next, where zeros fill it. */
function toMultiple(length: number, multiple: number, rule: "longest" | "pad"): number {
  if (rule === "pad") return Math.ceil(length / multiple) * multiple;
  return Math.max(Math.floor((length + Math.floor(multiple / 2)) / multiple), 1) * multiple;
}

function withLongest(photo: Size, longest: number): Size {
  const factor = longest / Math.max(...photo);
  return [Math.max(1, roundHalfEven(photo[0] * factor)), Math.max(1, roundHalfEven(photo[1] * factor))];
}

/** The input tensor's numbers, `[3, height, width]`; arguments as of `inputSize`. */
export function prepare(photo: Pixels, card: Card, side: number): Float32Array {
  const rule = card.preparation;
  const before: Size = [photo.height, photo.width];
  const [height, width] = inputSize(card, before, side);
  const padded = rule.resize_rule === "pad" && card.dynamic;
  const inside: Size = padded ? withLongest(before, side) : [height, width];
  const [top, left] = [Math.floor((height - inside[0]) / 2), Math.floor((width - inside[1]) / 2)]; // where odd, one more is behind
  const source = inBytes(photo, inside, rule);
  const input = new Float32Array(3 * height * width);
  for (let channel = 0; channel < 3; channel++) {
    const plane = cubic(channelRows(source, channel, 255), [source.height, source.width], inside);
    for (let y = 0; y < inside[0]; y++) {
      const start = (channel * height + top + y) * width + left;
      for (let x = 0; x < inside[1]; x++) input[start + x] = (plane[y * inside[1] + x] - rule.mean[channel]) / rule.std[channel];
    }
  }
  return input;
}

/** A channel's rows, divided; one array for all of them: a large photo's values as floats would be eight times its bytes. */
function channelRows({ data, width }: Pixels, channel: number, divisor: number): Row {
  const row = new Float64Array(width);
  return (y) => {
    for (let x = 0, i = 4 * y * width + channel; x < width; x++, i += 4) row[x] = data[i] / divisor;
    return row;
  };
}

/** The photo as it is; or, by the rules that resize it in bytes, at the size already. */
function inBytes(photo: Pixels, size: Size, { interpolation }: Preparation): Pixels {
  if (interpolation === "uint8_linear_antialiased") return resizedBytes(photo, size, antialiased);
  if (interpolation !== "uint8_area_or_cubic") return photo;
  // Rounded after each of two steps: the longer side first, then the multiples. A step that changes nothing is none.
  return [withLongest([photo.height, photo.width], Math.max(...size)), size].reduce((source, to) => {
    if (to[0] === source.height && to[1] === source.width) return source;
    const grows = to[0] > source.height || to[1] > source.width;
    return resizedBytes(source, to, grows ? cubicBytes : area);
  }, photo);
}

function resizedBytes(photo: Pixels, [height, width]: Size, resize: typeof area): Pixels {
  const data = new Uint8Array(4 * height * width);
  for (let channel = 0; channel < 3; channel++) {
    const plane = resize(channelRows(photo, channel, 1), [photo.height, photo.width], [height, width]);
    for (let i = 0; i < plane.length; i++) data[4 * i + channel] = Math.min(Math.max(roundHalfEven(plane[i]), 0), 255);
  }
  return { data, height, width };
}
