/** What the map and the tiles of the norm view show of each block: norms, or similarities to a token. */
import type { Card } from "./card";
import type { SceneFacts } from "./engine";
import type { Size } from "./resize";
import { range, summary, type Summary } from "./statistics";

export type Place = [x: number, y: number]; // of the photo, 0 to 1

export type Token = Place | "class";

/** Cosine similarities of every block's tokens to one. */
export interface Similarities {
  to: Token;
  blocks: Float32Array[];
}

/** The values that are shown of a block, and the ends of their colours. */
export interface BlockMap {
  values: Float32Array;
  low: number;
  high: number;
  threshold: number; // values above it are outliers
}

export class BlockMaps {
  readonly summaries: Summary[];
  similarities: Similarities | null = null;

  constructor(
    readonly card: Card,
    readonly scene: SceneFacts,
  ) {
    this.summaries = scene.norms.map(summary);
  }

  of(block: number): BlockMap {
    if (!this.similarities) return { values: this.scene.norms[block], ...this.summaries[block] };
    const values = this.similarities.blocks[block];
    const [low, high] = range(values);
    return { values, low, high, threshold: Infinity };
  }

  grid(block: number): Size {
    return this.scene.grids[block];
  }

  /** The index of the token at a place. */
  cell(block: number, [x, y]: Place): number {
    const [rows, columns] = this.grid(block);
    return Math.floor(y * rows) * columns + Math.floor(x * columns);
  }

  /** The middle of a token. */
  place(block: number, cell: number): Place {
    const [rows, columns] = this.grid(block);
    return [((cell % columns) + 0.5) / columns, (Math.floor(cell / columns) + 0.5) / rows];
  }

  /** The block's outliers, longest first. */
  outliers(block: number): number[] {
    const norms = this.scene.norms[block];
    const { threshold } = this.summaries[block];
    return Array.from(norms.keys()).filter((i) => norms[i] > threshold).sort((a, b) => norms[b] - norms[a]);
  }
}
