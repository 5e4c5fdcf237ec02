/** Arrays as the bytes of files, the same that dptscope writes. */
import type { DepthKind } from "./card";
import { PageError } from "./errors";
import type { Size } from "./resize";
import { range } from "./statistics";
import type { Saved } from "./view";

const METRIC_STEPS = 256; // 16-bit steps a metre

/** A float32 array in numpy's own format. */
function npy(values: Float32Array, shape: number[]): Blob {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const length = Math.ceil((header.length + 11) / 64) * 64 - 10; // ends with a line break, at a multiple of 64
  const start = new Uint8Array(10 + length).fill(32);
  start.set([0x93, ...ascii("NUMPY"), 1, 0, length & 255, length >> 8, ...ascii(header)]);
  start[start.length - 1] = 10;
  return new Blob([start, values as Float32Array<ArrayBuffer>]);
}

/** A map as uint16: its minimum is 0, its maximum 65535; of metric depth metres × 256. */
function sixteenBits(values: Float32Array, kind: DepthKind | null): Uint16Array {
  const [low, high] = range(values);
  if (kind === "metric") {
    if (high * METRIC_STEPS > 65535) {
      throw new PageError(`Expected metres up to ${(65535 / METRIC_STEPS).toFixed(1)} for a 16-bit PNG, got ${high.toFixed(1)}; save the numbers.`);
    }
    return Uint16Array.from(values, (value) => Math.round(Math.max(value, 0) * METRIC_STEPS));
  }
  return Uint16Array.from(values, (value) => Math.round(high > low ? ((value - low) / (high - low)) * 65535 : 32768));
}

/** What the numbers of a 16-bit depth are, for the file's description. */
function sixteenBitsInWords(kind: DepthKind | null): string {
  if (kind === "metric") return "metres × 256";
  if (kind === null) return "0 is the minimum, 65535 the maximum";
  const [low, high] = kind === "relative" ? ["farthest", "nearest"] : ["nearest", "farthest"];
  return `0 is the minimum, the ${low}, 65535 the maximum, the ${high}`;
}

/** A grey PNG of 16 bits, which no canvas can write. */
async function png16(values: Uint16Array, [height, width]: Size, description: string): Promise<Blob> {
  const rows = new DataView(new ArrayBuffer(height * (1 + 2 * width))); // each row behind a zero: no filter
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows.setUint16(y * (1 + 2 * width) + 1 + 2 * x, values[y * width + x]);
  }
  const packed = new Blob([rows.buffer]).stream().pipeThrough(new CompressionStream("deflate"));
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint32(8, 0x10000000); // 16 bits, grey, deflate
  return new Blob(
    [
      new Uint8Array([0x89, ...ascii("PNG\r\n\x1a\n")]),
      chunk("IHDR", new Uint8Array(header.buffer)),
      chunk("tEXt", new Uint8Array(ascii(`Description\0${description}`))),
      chunk("IDAT", new Uint8Array(await new Response(packed).arrayBuffer())),
      chunk("IEND", new Uint8Array()),
    ],
    { type: "image/png" },
  );
}

function chunk(name: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(ascii(name), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function ascii(text: string): number[] {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}

/** A canvas as PNG; `size` in pixels, its own if null. Cells stay plain rectangles. */
export async function png(canvas: HTMLCanvasElement, size: Size, smooth: boolean): Promise<Blob> {
  const copy = document.createElement("canvas");
  [copy.height, copy.width] = size;
  const context = copy.getContext("2d");
  if (context) {
    context.imageSmoothingEnabled = smooth;
    context.drawImage(canvas, 0, 0, size[1], size[0]);
  }
  return new Promise((resolve, reject) => {
    copy.toBlob((blob) => (blob ? resolve(blob) : reject(new PageError("The picture is too large for this browser to save."))));
  });
}

/** What is shown as a file: its name and its bytes. */
export async function fileOf(
  how: "png" | "png16" | "npy",
  saved: Saved,
  kind: DepthKind | null,
  stem: string,
): Promise<[name: string, blob: Blob]> {
  if (how === "png") return [`${stem}.png`, await saved.picture()];
  if (how === "npy") return [`${stem}.npy`, npy(saved.values, saved.size)];
  const steps = sixteenBits(saved.values, kind);
  return [kind ? `${stem}16.png` : `${stem}_16.png`, await png16(steps, saved.size, sixteenBitsInWords(kind))];
}

/** Hand a file to the browser. */
export function download(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.download = name;
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
