/** The norm view: the chosen block large, all blocks as tiles, and the strip over depth; a token is marked in all of them. */
import { blockAt, drawHistogram, drawStrip } from "./charts";
import type { ColourMap } from "./colours";
import { byId, caption, labelAt, placeIn, press, within } from "./dom";
import { Latest } from "./latest";
import type { Size } from "./prepare";
import { png } from "./saving";
import { number, summary, type Summary } from "./statistics";
import { layOutTiles, makeTile, markCell, type Place } from "./tiles";
import type { Key, Page, Saved, Shown, View } from "./view";

type Token = Place | "class";

export class NormView implements View {
  private shown: Shown | null = null;
  private summaries: Summary[] = [];
  private similarities: Float32Array[] | null = null; // of all blocks to the token, where they are shown
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
    this.follow(this.map, () => this.block);
    this.map.onkeydown = (event) => this.step(event);
    this.strip.onpointerdown = (event) => this.strip.setPointerCapture(event.pointerId);
    this.strip.onpointermove = this.strip.onpointerup = (event) => {
      if (event.buttons || event.type === "pointerup") this.choose(blockAt(this.strip, event.clientX, this.summaries.length));
    };
  }

  show(shown: Shown): void {
    const before = this.shown?.model.card;
    this.shown = shown;
    const { card } = shown.model;
    this.summaries = shown.scene.norms.map(summary);
    if (before?.blocks.length !== card.blocks.length) this.block = card.blocks.length - 1;
    if (before !== card) this.kept = null;
    this.pointed = this.similarities = null;
    byId("class-token").hidden = !card.has_cls;
    byId("norms").style.setProperty("--aspect", String(shown.scene.photo[1] / shown.scene.photo[0]));
    this.tiles.replaceChildren(...card.blocks.map((_, block) => this.tile(block)));
    this.layOut();
    if (this.similar) this.compare();
    else this.draw();
  }

  private tile(block: number): HTMLElement {
    const tile = makeTile(block, this.summaries[block]);
    tile.onclick = () => this.choose(block);
    this.follow(within(tile, ".picture"), () => block);
    return tile;
  }

  private layOut(): void {
    if (!this.shown) return;
    const [height, width] = this.shown.scene.photo;
    const room = this.tiles.getBoundingClientRect();
    const tall = window.innerWidth > 760 ? Math.max(window.innerHeight - room.top - window.scrollY - 245, 200) : Infinity;
    layOutTiles(this.tiles, this.summaries.length, width / height, room.width, tall);
  }

  resize(): void {
    this.layOut();
    this.drawCharts();
  }

  /** The token under the pointer, over the map or a tile; a click keeps it, and so does a touch. */
  private follow(element: HTMLElement, block: () => number): void {
    element.onpointermove = (event) => this.point(placeIn(element, event));
    element.onpointerleave = () => this.point(null);
    if (element !== this.map) return;
    element.onpointerup = (event) => {
      const place = placeIn(element, event);
      const same = this.kept !== null && this.kept !== "class" && this.cell(block(), this.kept) === this.cell(block(), place);
      this.keep(same ? null : place);
    };
  }

  private step(event: KeyboardEvent): void {
    const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (!move || !this.shown) return;
    event.preventDefault();
    event.stopPropagation();
    const [rows, columns] = this.shown.scene.grids[this.block];
    const [x, y] = this.place ?? [0.5, 0.5];
    const next = (share: number, by: number, count: number): number =>
      (Math.max(0, Math.min(Math.floor(share * count) + by, count - 1)) + 0.5) / count;
    this.pointed = null;
    this.keep([next(x, move[0], columns), next(y, move[1], rows)]);
  }

  private point(place: Place | null): void {
    this.pointed = place;
    this.compareOrMark();
  }

  private keep(token: Token | null): void {
    this.kept = token;
    this.compareOrMark();
  }

  private compareOrMark(): void {
    if (this.similar) this.compare();
    this.mark();
  }

  private get place(): Place | null {
    return this.pointed ?? (this.kept === "class" ? null : this.kept);
  }

  /** What is compared with: the kept token, else the one under the pointer, else that in the middle. */
  private get token(): Token {
    return this.kept ?? this.pointed ?? [0.5, 0.5];
  }

  private cell(block: number, [x, y]: Place): number {
    const [rows, columns] = this.shown?.scene.grids[block] ?? [1, 1];
    return Math.floor(y * rows) * columns + Math.floor(x * columns);
  }

  private choose(block: number): void {
    this.block = Math.max(0, Math.min(block, this.summaries.length - 1));
    this.draw();
  }

  private showSimilarity(similar: boolean): void {
    this.similar = similar;
    press(byId("show-norm"), !similar);
    press(byId("show-similarity"), similar);
    if (similar) this.compare();
    else this.draw();
  }

  private keepClassToken(): void {
    if (!this.shown?.model.card.has_cls) return;
    this.kept = this.kept === "class" ? null : "class";
    this.showSimilarity(true);
  }

  private nextOutlier(): void {
    if (!this.shown) return;
    const norms = this.shown.scene.norms[this.block];
    const { threshold } = this.summaries[this.block];
    const found = Array.from(norms.keys()).filter((i) => norms[i] > threshold).sort((a, b) => norms[b] - norms[a]);
    if (!found.length) return this.page.say("no outliers in this block");
    const at = this.kept && this.kept !== "class" ? found.indexOf(this.cell(this.block, this.kept)) : -1;
    const next = found[(at + 1) % found.length];
    const [rows, columns] = this.shown.scene.grids[this.block];
    this.keep([((next % columns) + 0.5) / columns, (Math.floor(next / columns) + 0.5) / rows]);
  }

  private nextColours(): void {
    const { colours } = this.page;
    this.colours = colours[(colours.indexOf(this.colours) + 1) % colours.length];
    this.draw();
  }

  private compare(): void {
    const { token, shown } = this;
    if (!shown) return;
    this.latest.ask(async () => {
      try {
        const found = await shown.client.call("similarities", token === "class" ? null : token);
        if (this.shown !== shown || !this.similar) return;
        this.similarities = found;
        this.draw();
      } catch (error) {
        this.page.failed(error);
      }
    });
  }

  /** The values that are shown of a block, and the ends of their colours. */
  private values(block: number): { values: Float32Array; low: number; high: number; threshold: number } {
    if (this.similar && this.similarities) {
      const values = this.similarities[block];
      return { values, low: values.slice().sort()[Math.floor(values.length * 0.01)], high: 1, threshold: Infinity };
    }
    const { low, high, threshold } = this.summaries[block];
    return { values: this.shown?.scene.norms[block] ?? new Float32Array(1), low, high, threshold };
  }

  private draw(): void {
    if (!this.shown) return;
    const { scene, model } = this.shown;
    const canvases = [within<HTMLCanvasElement>(this.map, "canvas"), ...this.tiles.querySelectorAll("canvas")];
    canvases.forEach((canvas, i) => {
      const block = i === 0 ? this.block : i - 1;
      const { values, low, high, threshold } = this.values(block);
      this.colours.drawMap(canvas, values, scene.grids[block], low, high, threshold);
    });
    [...this.tiles.children].forEach((tile, block) => press(tile, block === this.block));
    const [rows, columns] = scene.grids[this.block];
    const { channels, stage } = model.card.blocks[this.block];
    const feeds = model.card.taps.indexOf(this.block);
    byId("block-title").textContent = `Block ${this.block}`;
    byId("block-facts").textContent = [
      ...(model.card.blocks.some((block) => block.stage !== stage) ? [`stage ${stage}`] : []),
      `${rows} × ${columns} tokens`,
      `${channels} channels`,
      ...(feeds >= 0 ? [`feeds fusion ${feeds + 1}`] : []),
    ].join(" · ");
    const bar = within(byId("norms"), ".bar");
    const { low, high } = this.values(this.block);
    within(bar, "span:first-child").textContent = number(low);
    within(bar, "span:last-child").textContent = number(high);
    this.colours.drawBar(within<HTMLCanvasElement>(bar, "canvas"));
    caption(within(byId("norms"), ".colours"), this.colours.name);
    this.mark();
  }

  private drawCharts(): void {
    if (!this.shown) return;
    const { scene } = this.shown;
    const { place } = this;
    const { values, low, high } = this.values(this.block);
    const shown = this.similar ? { ...summary(values), low, high, threshold: Infinity, outliers: 0 } : this.summaries[this.block];
    drawHistogram(byId<SVGElement>("histogram"), values, shown, this.colours, place && values[this.cell(this.block, place)]);
    drawStrip(this.strip, {
      summaries: this.summaries,
      chosen: this.block,
      token: place && scene.norms.map((norms, block) => norms[this.cell(block, place)]),
      classNorms: scene.classNorms,
      outlier: this.colours.outlier,
    });
    const outliers = this.summaries.reduce((total, each) => total + each.outliers, 0);
    const words: [string, string][] = [
      ["norms over depth:", "--text"], ["max", "--muted"], ["median", "--accent"], ["min", "--faint"],
      ...(scene.classNorms ? [["class token", "--warn"] as [string, string]] : []),
      ...(place ? [["this token", "--text"] as [string, string]] : []),
    ];
    byId("legend").innerHTML =
      words.map(([text, colour]) => `<span style="color:var(${colour})">${text}</span>`).join("") +
      `<span style="color:${outliers ? this.colours.outlier : "var(--muted)"}">${outliers ? `outliers ${outliers}` : "no outliers"}</span>`;
  }

  /** The token in every picture, and in words. */
  private mark(): void {
    if (!this.shown) return;
    const { place } = this;
    const pictures = [this.map, ...this.tiles.querySelectorAll<HTMLElement>(".picture")];
    pictures.forEach((picture, i) => {
      const mark = within(picture, ".mark");
      mark.hidden = place === null;
      if (place) markCell(mark, this.shown?.scene.grids[i === 0 ? this.block : i - 1] ?? [1, 1], place);
    });
    const words = this.inWords(place);
    labelAt(within(this.map, ".label"), this.pointed ? words : "", this.pointed ?? [0, 0]);
    this.page.say(words);
    press(byId("class-token"), this.kept === "class");
    this.drawCharts();
  }

  private inWords(place: Place | null): string {
    const to = this.kept === "class" ? "the class token" : this.kept ? "the kept token" : "the token under the pointer";
    if (!place) {
      const { outliers } = this.summaries[this.block];
      if (this.similar) return `cosine similarity to ${this.kept ? to : "the token in the middle"}`;
      return outliers ? `${outliers} of ${this.values(this.block).values.length} tokens marked as outliers` : "no outliers in this block";
    }
    const norms = this.shown?.scene.norms[this.block] ?? new Float32Array(1);
    const cell = this.cell(this.block, place);
    const columns = this.shown?.scene.grids[this.block][1] ?? 1;
    const rank = norms.reduce((count, norm) => count + (norm > norms[cell] ? 1 : 0), 1);
    return [
      `row ${Math.floor(cell / columns)}, column ${cell % columns}`,
      ...(this.similar && this.similarities && this.kept ? [`similarity ${number(this.similarities[this.block][cell])} to ${to}`] : []),
      `norm ${number(norms[cell])}`,
      `rank ${rank} of ${norms.length}`,
    ].join(" · ");
  }

  async saved(): Promise<Saved> {
    const size = this.shown?.scene.grids[this.block] ?? [1, 1];
    const canvas = within<HTMLCanvasElement>(this.map, "canvas");
    const large: Size = [size[0] * 32, size[1] * 32];
    return {
      name: `block_${String(this.block).padStart(2, "0")}${this.similar ? "_similarity" : ""}`,
      values: this.values(this.block).values,
      size,
      picture: () => png(canvas, large, false),
      kind: "norms",
    };
  }
}
