/** The window's colour maps, which come with the page. */
import { growsWithDistance, type DepthKind } from "./card";
import type { Size } from "./resize";
import type { Table } from "./contents";

export class ColourMap {
  readonly outlier: string;
  private readonly shades: Uint32Array; // as a canvas has them, opaque
  private readonly beyond: number;

  constructor(readonly name: string, { table, outlier }: { table: string; outlier: string }) {
    this.shades = Uint32Array.from({ length: 256 }, (_, i) => pixel(table.slice(6 * i, 6 * i + 6)));
    this.outlier = `#${outlier}`;
    this.beyond = pixel(outlier);
  }

  /** A shade as CSS has it, 0 to 1. */
  css(share: number): string {
    const shade = this.shades[level(share)];
    return `rgb(${shade & 255},${(shade >> 8) & 255},${(shade >> 16) & 255})`;
  }

  /** A map of tokens, a pixel each: `low` … `high` over the shades, what is above `threshold` in the colour of outliers. */
  drawMap(canvas: HTMLCanvasElement, values: Float32Array, size: Size, low: number, high: number, threshold = Infinity): void {
    const span = high - low;
    paint(canvas, size, (i) => {
      if (values[i] > threshold) return this.beyond;
      return this.shades[level(span > 0 ? (values[i] - low) / span : 0.5)];
    });
  }

  /** Depth, bright is near. */
  drawDepth(canvas: HTMLCanvasElement, values: Float32Array, size: Size, [low, high]: [number, number], kind: DepthKind): void {
    const span = high - low;
    const turned = growsWithDistance(kind);
    paint(canvas, size, (i) => {
      const share = span > 0 ? (values[i] - low) / span : 0.5;
      return this.shades[level(turned ? 1 - share : share)];
    });
  }

  /** The shades from left to right. */
  drawBar(canvas: HTMLCanvasElement): void {
    paint(canvas, [1, 256], (i) => this.shades[i]);
  }
}

export function colourMaps(table: Table): ColourMap[] {
  return Object.entries(table.colours).map(([name, colours]) => new ColourMap(name, colours));
}

function pixel(hex: string): number {
  const [red, green, blue] = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function level(share: number): number {
  return Math.min(Math.max(Math.floor(share * 255 + 0.5), 0), 255);
}

function paint(canvas: HTMLCanvasElement, [height, width]: Size, shade: (index: number) => number): void {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = shade(i);
  context?.putImageData(image, 0, 0);
}
