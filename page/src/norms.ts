/** The norm view: the chosen block large, all blocks as tiles, and the strip over depth; a token is marked in all of them. */
import { blockAt, drawHistogram, drawStrip, followStrip } from "./charts";
import type { ColourMap } from "./colours";
import { byId, caption, labelAt, placeIn, press, within } from "./dom";
import { Latest } from "./latest";
import { BlockMaps, type BlockMap, type Place, type Token } from "./maps";
import { blockInWords, legend, overview, tokenInWords } from "./norm_words";
import { png } from "./saving";
import { number, summary } from "./statistics";
import { layOutTiles, makeTile, markCell } from "./tiles";
import type { Key, Page, Saved, Shown, View } from "./view";

const CELL = 32; // pixels a side of a token in a saved picture
const NARROW = 760; // pixels of the page below which everything stands in one column, as in page.css

export class NormView implements View {
  private shown: Shown | null = null;
  private maps: BlockMaps | null = null;
  private block = 0;
  private similar = false;
  private kept: Token | null = null;
  private pointed: Place | null = null;
  private colours: ColourMap;
  private readonly latest = new Latest();
  private readonly map = byId("map");
  private readonly tiles = byId("tiles");
  private readonly strip = byId<SVGElement>("strip");

  readonly keys: Key[] = [
    [["k", "ArrowRight"], "next block", () => this.choose(this.block + 1)],
    [["j", "ArrowLeft"], "previous block", () => this.choose(this.block - 1)],
    [["o"], "norm or similarity", () => this.showSimilarity(!this.similar)],
    [["f"], "next outlier of the block", () => this.nextOutlier()],
    [["g"], "the class token, as the one compared", () => this.keepClassToken()],
    [["m"], "next colour map", () => this.nextColours()],
    [["Escape"], "let the token go", () => this.keep(null)],
  ];

  constructor(private readonly page: Page) {
    this.colours = page.colours.find(({ name }) => name === "viridis") ?? page.colours[0];
    byId("show-norm").onclick = () => this.showSimilarity(false);
    byId("show-similarity").onclick = () => this.showSimilarity(true);
    byId("class-token").onclick = () => this.keepClassToken();
    byId("next-outlier").onclick = () => this.nextOutlier();
    within<HTMLButtonElement>(byId("norms"), ".colours").onclick = () => this.nextColours();
    this.follow(this.map);
    this.map.onpointerup = (event) => this.keepAt(placeIn(this.map, event));
    this.map.onkeydown = (event) => this.step(event);
    followStrip(this.strip, (clientX) => this.maps && this.choose(blockAt(this.strip, clientX, this.maps.summaries.length)));
  }

  show(shown: Shown): void {
    const { card } = shown.model.facts;
    if (this.maps?.card.blocks.length !== card.blocks.length) this.block = card.blocks.length - 1;
    if (this.shown?.model !== shown.model) this.kept = null;
    this.pointed = null;
    this.shown = shown;
    const maps = (this.maps = new BlockMaps(card, shown.scene));
    byId("class-token").hidden = !card.has_cls;
    byId("norms").style.setProperty("--aspect", String(shown.scene.photo[1] / shown.scene.photo[0]));
    this.tiles.replaceChildren(...maps.summaries.map((each, block) => this.tile(makeTile(block, each), block)));
    this.layOut();
    if (this.similar) this.compare();
    else this.draw();
  }

  private tile(tile: HTMLButtonElement, block: number): HTMLElement {
    tile.onclick = () => this.choose(block);
    this.follow(within(tile, ".picture"));
    return tile;
  }

  private layOut(): void {
    if (!this.shown) return;
    const [height, width] = this.shown.scene.photo;
    const room = this.tiles.getBoundingClientRect();
    const tall = window.innerWidth > NARROW ? Math.max(window.innerHeight - room.top - window.scrollY - 245, 200) : Infinity;
    layOutTiles(this.tiles, this.shown.scene.norms.length, width / height, room.width, tall);
  }

  resize(): void {
    this.layOut();
    this.drawCharts();
  }

  /** The token under the pointer, over the map or a tile. */
  private follow(element: HTMLElement): void {
    element.onpointermove = (event) => this.point(placeIn(element, event));
    element.onpointerleave = () => this.point(null);
  }

  private point(place: Place | null): void {
    this.pointed = place;
    this.compareAndMark();
  }

  /** Keep the token at a place of the map, or let it go where it is the one that is kept. */
  private keepAt(place: Place): void {
    const { maps, kept, block } = this;
    if (!maps) return;
    const same = kept !== null && kept !== "class" && maps.cell(block, kept) === maps.cell(block, place);
    this.keep(same ? null : place);
  }

  private keep(token: Token | null): void {
    this.kept = token;
    this.compareAndMark();
  }

  private step(event: KeyboardEvent): void {
    const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (!move || !this.maps) return;
    event.preventDefault();
    event.stopPropagation();
    const [rows, columns] = this.maps.grid(this.block);
    const [x, y] = this.place ?? [0.5, 0.5];
    const next = (share: number, by: number, count: number): number =>
      (Math.max(0, Math.min(Math.floor(share * count) + by, count - 1)) + 0.5) / count;
    this.pointed = null;
    this.keep([next(x, move[0], columns), next(y, move[1], rows)]);
  }

  private get place(): Place | null {
    return this.pointed ?? (this.kept === "class" ? null : this.kept);
  }

  /** What is compared with: the kept token, else the one under the pointer, else that in the middle. */
  private get token(): Token {
    return this.kept ?? this.pointed ?? [0.5, 0.5];
  }

  private choose(block: number): void {
    this.block = Math.max(0, Math.min(block, (this.maps?.summaries.length ?? 1) - 1));
    this.draw();
  }

  private showSimilarity(similar: boolean): void {
    this.similar = similar;
    press(byId("show-norm"), !similar);
    press(byId("show-similarity"), similar);
    if (similar) return this.compare();
    if (this.maps) this.maps.similarities = null;
    this.draw();
  }

  private keepClassToken(): void {
    if (!this.maps?.card.has_cls) return;
    this.kept = this.kept === "class" ? null : "class";
    this.showSimilarity(true);
  }

  private nextOutlier(): void {
    const { maps, block, kept } = this;
    if (!maps) return;
    const found = maps.outliers(block);
    if (!found.length) return this.page.status.say("no outliers in this block");
    const at = kept && kept !== "class" ? found.indexOf(maps.cell(block, kept)) : -1;
    this.keep(maps.place(block, found[(at + 1) % found.length]));
  }

  private nextColours(): void {
    const { colours } = this.page;
    this.colours = colours[(colours.indexOf(this.colours) + 1) % colours.length];
    this.draw();
  }

  private compareAndMark(): void {
    this.compare();
    this.mark();
  }

  private compare(): void {
    const { token, shown, maps } = this;
    if (!shown || !maps || !this.similar) return;
    this.latest.ask(async () => {
      try {
        const blocks = await shown.model.client.call("similarities", token === "class" ? null : token);
        if (this.maps !== maps || !this.similar) return;
        maps.similarities = { to: token, blocks };
        this.draw();
      } catch (error) {
        this.page.status.failed(error);
      }
    });
  }

  private drawMap(canvas: HTMLCanvasElement, block: number, { values, low, high, threshold }: BlockMap): void {
    if (this.maps) this.colours.drawMap(canvas, values, this.maps.grid(block), low, high, threshold);
  }

  private draw(): void {
    const { maps, block } = this;
    if (!maps) return;
    const shown = maps.of(block);
    this.drawMap(within(this.map, "canvas"), block, shown);
    [...this.tiles.children].forEach((tile, each) => {
      this.drawMap(within(tile, "canvas"), each, maps.of(each));
      press(tile, each === block);
    });
    byId("block-title").textContent = `Block ${block}`;
    byId("block-facts").textContent = blockInWords(maps, block);
    const bar = within(byId("norms"), ".bar");
    within(bar, "span:first-child").textContent = number(shown.low);
    within(bar, "span:last-child").textContent = number(shown.high);
    this.colours.drawBar(within<HTMLCanvasElement>(bar, "canvas"));
    caption(within(byId("norms"), ".colours"), this.colours.name);
    this.mark();
  }

  private drawCharts(): void {
    const { maps, block, place } = this;
    if (!maps) return;
    const { values, low, high } = maps.of(block);
    const told = maps.similarities ? { ...summary(values), low, high, threshold: Infinity, outliers: 0 } : maps.summaries[block];
    drawHistogram(byId<SVGElement>("histogram"), values, told, this.colours, place && values[maps.cell(block, place)]);
    drawStrip(this.strip, {
      summaries: maps.summaries,
      chosen: block,
      token: place && maps.scene.norms.map((norms, each) => norms[maps.cell(each, place)]),
      classNorms: maps.scene.classNorms,
      outlier: this.colours.outlier,
    });
    byId("legend").innerHTML = legend(maps, place !== null, this.colours.outlier);
  }

  /** The token in every picture, and in words. */
  private mark(): void {
    const { maps, block, place, kept } = this;
    if (!maps) return;
    const pictures = [this.map, ...this.tiles.querySelectorAll<HTMLElement>(".picture")];
    pictures.forEach((picture, i) => {
      const mark = within(picture, ".mark");
      mark.hidden = place === null;
      if (place) markCell(mark, maps.grid(i === 0 ? block : i - 1), place);
    });
    const words = place ? tokenInWords(maps, block, place, kept) : overview(maps, block, kept);
    labelAt(within(this.map, ".label"), this.pointed ? words : "", this.pointed ?? [0, 0]);
    this.page.status.say(words);
    press(byId("class-token"), kept === "class");
    this.drawCharts();
  }

  /** What is chosen, and not what is on its way to the screen still: similarities may not have come yet. */
  async saved(): Promise<Saved> {
    const { shown, maps, block, similar, token } = this;
    if (!shown || !maps) throw new Error("nothing is shown");
    const saved = new BlockMaps(maps.card, maps.scene);
    if (similar) {
      const blocks = await shown.model.client.call("similarities", token === "class" ? null : token);
      saved.similarities = { to: token, blocks };
    }
    const size = maps.grid(block);
    const map = saved.of(block);
    return {
      name: `block_${String(block).padStart(2, "0")}${similar ? "_similarity" : ""}`,
      values: map.values,
      size,
      picture: () => {
        const canvas = document.createElement("canvas");
        this.drawMap(canvas, block, map);
        return png(canvas, [size[0] * CELL, size[1] * CELL], false);
      },
      kind: "norms",
    };
  }
}
