/** Files and photos as bytes and pixels. */
import { PageError } from "./errors";
import type { Pixels } from "./prepare";

/** A file, wherever it came from. */
export interface Source {
  name: string;
  data: Blob | string; // or where it is: the worker reads a large file as it comes, and no copy lies in the page
  gzip: boolean;
  size: number; // of what is in it
}

/** Read a file into one array, and say how far it is. */
export async function readBytes(source: Source, progress: (share: number) => void = () => {}): Promise<Uint8Array> {
  const stream = await opened(source);
  let data: Uint8Array;
  try {
    data = roomFor(source.size);
  } catch {
    throw new PageError(
      `${source.name}: there is not enough memory for its ${gigabytes(source.size)} in this browser; open it with dptscope view.`,
    );
  }
  const reader = stream.getReader();
  for (let place = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return place === data.length ? data : data.subarray(0, place);
    if (place + value.length > data.length) throw new PageError(`${source.name}: it is longer than it was said to be.`);
    data.set(value, place);
    place += value.length;
    progress(place / data.length);
  }
}

/** A small file as it is unpacked. */
export async function readBlob(source: Source): Promise<Blob> {
  return new Response(await opened(source)).blob();
}

async function opened({ name, data, gzip }: Source): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const stream = typeof data === "string" ? await fetched(name, data) : data.stream();
  return gzip ? stream.pipeThrough(new DecompressionStream("gzip")) : stream;
}

async function fetched(name: string, address: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const response = await fetch(address).catch(() => null);
  if (!response?.ok || !response.body) throw new PageError(`${name}: the server of this page does not answer; start it again.`);
  return response.body;
}

const LARGEST_ARRAY = 0x7fe00000; // bytes of one, in Chromium; WebAssembly's memory may be twice as large

function roomFor(size: number): Uint8Array {
  if (size <= LARGEST_ARRAY) return new Uint8Array(size);
  const pages = Math.ceil(size / 65536);
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, size);
}

export function gigabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.max(Math.round(bytes / 1e6), 1)} MB`;
}

const BAND = 1024; // rows that are drawn at a time: a canvas has a largest height, or a largest area

/** A photo's pixels, the right way up (Exif), without colour management: as OpenCV reads it; what is transparent over black. */
export async function readPixels(photo: Blob, name: string): Promise<Pixels> {
  const bitmap = await decode(photo, name);
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, Math.min(height, BAND));
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  if (!context) throw new PageError(`${name}: ${width} × ${height} pixels are more than this browser can draw.`);
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y += BAND) {
    context.clearRect(0, 0, width, BAND);
    context.drawImage(bitmap, 0, -y);
    data.set(context.getImageData(0, 0, width, Math.min(BAND, height - y)).data, 4 * width * y);
  }
  bitmap.close();
  return { data, height, width };
}

/** Decode a photo, for the screen or for its pixels. */
export async function decode(photo: Blob, name: string): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(photo, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new PageError(
      `${name}: expected a photo (JPEG, PNG, …), got something that this browser cannot read, or a part of one.`,
    );
  }
}
