/** What the norm view says in words: of a block, of a token, of the lines of its strip. */
import type { BlockMaps, Place, Token } from "./maps";
import { number } from "./statistics";

/** Sizes of a block, and what is made of it. */
export function blockInWords(maps: BlockMaps, block: number): string {
  const { blocks, taps } = maps.card;
  const { channels, stage } = blocks[block];
  const [rows, columns] = maps.grid(block);
  const feeds = taps.indexOf(block);
  return [
    ...(blocks.some((each) => each.stage !== stage) ? [`stage ${stage}`] : []),
    `${rows} × ${columns} tokens`,
    `${channels} channels`,
    ...(feeds >= 0 ? [`feeds fusion ${feeds + 1}`] : []),
  ].join(" · ");
}

/** The token at a place: where it is, the value that is shown, its norm in the block and that one's rank. */
export function tokenInWords(maps: BlockMaps, block: number, place: Place, kept: Token | null): string {
  const norms = maps.scene.norms[block];
  const cell = maps.cell(block, place);
  const columns = maps.grid(block)[1];
  const rank = norms.reduce((count, norm) => count + (norm > norms[cell] ? 1 : 0), 1);
  const to = kept === "class" ? "the class token" : "the kept token";
  const { similarities } = maps;
  return [
    `row ${Math.floor(cell / columns)}, column ${cell % columns}`,
    ...(similarities && similarities.to === kept ? [`similarity ${number(similarities.blocks[block][cell])} to ${to}`] : []),
    `norm ${number(norms[cell])}`,
    `rank ${rank} of ${norms.length}`,
  ].join(" · ");
}

/** What there is to see while the pointer is over no token. */
export function overview(maps: BlockMaps, block: number, kept: Token | null): string {
  if (maps.similarities) {
    return `cosine similarity to ${kept === "class" ? "the class token" : kept ? "the kept token" : "the token in the middle"}`;
  }
  const { outliers } = maps.summaries[block];
  return outliers ? `${outliers} of ${maps.scene.norms[block].length} tokens marked as outliers` : "no outliers in this block";
}

/** The names of the strip's lines, each in its line's colour, as HTML. */
export function legend(maps: BlockMaps, marked: boolean, outlier: string): string {
  const outliers = maps.summaries.reduce((total, each) => total + each.outliers, 0);
  const words: [text: string, colour: string][] = [
    ["norms over depth:", "var(--text)"],
    ["max", "var(--muted)"],
    ["median", "var(--accent)"],
    ["min", "var(--faint)"],
  ];
  if (maps.scene.classNorms) words.push(["class token", "var(--warn)"]);
  if (marked) words.push(["this token", "var(--text)"]);
  words.push(outliers ? [`outliers ${outliers}`, outlier] : ["no outliers", "var(--muted)"]);
  return words.map(([text, colour]) => `<span style="color:${colour}">${text}</span>`).join("");
}
