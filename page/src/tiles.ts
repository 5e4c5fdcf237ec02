/** The tiles of the norm view, a block each, and the mark of a token in a picture. */
import { within } from "./dom";
import type { Place } from "./maps";
import type { Size } from "./resize";
import { number, type Summary } from "./statistics";

const [FEWEST, MOST] = [3, 10]; // columns
const [GAP, WORDS] = [12, 24]; // pixels between tiles, and below each for its words
const LEAST = 64; // pixels of a tile, however many there are

export function makeTile(block: number, { min, max }: Summary): HTMLButtonElement {
  const tile = document.createElement("button");
  tile.className = "tile";
  tile.innerHTML =
    '<span class="picture" style="display:block"><canvas></canvas><i class="mark" hidden></i></span>' +
    '<span class="caption"><b></b><span></span></span>';
  within(tile, "b").textContent = String(block);
  within(tile, ".caption span").textContent = `${number(min)} … ${number(max)}`;
  tile.setAttribute("aria-label", `Block ${block}, norms ${number(min)} to ${number(max)}`);
  return tile;
}

/** As many columns as show the tiles largest. */
export function layOutTiles(tiles: HTMLElement, count: number, aspect: number, wide: number, tall: number): void {
  let best = { columns: FEWEST, tile: 0 };
  for (let columns = FEWEST; columns <= Math.min(count, MOST); columns++) {
    const rows = Math.ceil(count / columns);
    const fits = ((tall - rows * (WORDS + GAP)) / rows) * aspect;
    const tile = Math.min((wide - GAP * (columns - 1)) / columns, Math.max(fits, LEAST));
    if (tile > best.tile + 1) best = { columns, tile };
  }
  tiles.style.setProperty("--columns", String(best.columns));
  tiles.style.setProperty("--tile", `${best.tile}px`);
}

export function markCell(mark: HTMLElement, [rows, columns]: Size, [x, y]: Place): void {
  mark.style.left = `${(100 * Math.floor(x * columns)) / columns}%`;
  mark.style.top = `${(100 * Math.floor(y * rows)) / rows}%`;
  mark.style.width = `${100 / columns}%`;
  mark.style.height = `${100 / rows}%`;
}
