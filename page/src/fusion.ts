/** The fusion view: photo beside depth, four sliders; a preview while one is dragged, the full depth when it comes to rest. */
import { depthInWords, growsWithDistance } from "./card";
import type { ColourMap } from "./colours";
import { byId, caption, labelAt, placeIn, press, within } from "./dom";
import type { DepthMap, Scales } from "./engine";
import { Latest } from "./latest";
import { photoValue } from "./resize";
import { png } from "./saving";
import { number, range } from "./statistics";
import type { Key, Page, Saved, Shown, View } from "./view";

const [LOW, HIGH, STEP] = [-5, 5, 0.01];
const SNAPS = [0, 1];
const SNAP_WITHIN = 0.08; // of a snap, while a pointer drags
const ENDS: Record<number, string> = { 1: " · finest", 4: " · coarsest" };
const UNSCALED: Scales = [1, 1, 1, 1];

export class FusionView implements View {
  private shown: Shown | null = null;
  private scales: Scales = [...UNSCALED];
  private depth: DepthMap | null = null;
  private original = false;
  private comparing = false;
  private divider = 0.5;
  private chosen = 1;
  private dragging = false;
  private colours: ColourMap;
  private readonly latest = new Latest();
  private readonly picture = byId("depth");
  private readonly line = byId("divider");
  private readonly inputs: HTMLInputElement[] = [];

  readonly keys: Key[] = [
    [["1", "2", "3", "4"], "choose a slider, 1 is the finest", (key) => this.choose(Number(key), true)],
    [["."], "chosen slider +0.01", () => this.step(STEP)],
    [[","], "chosen slider −0.01", () => this.step(-STEP)],
    [[">"], "chosen slider +0.25", () => this.step(0.25)],
    [["<"], "chosen slider −0.25", () => this.step(-0.25)],
    [["f"], "chosen slider off (0), half, one", () => this.stepStop()],
    [["z"], "chosen slider back to 1", () => this.set(this.chosen, 1)],
    [["r"], "all sliders back to 1", () => this.reset()],
    [["b"], "original: scales off, to compare", () => this.showOriginal(!this.original)],
    [["t"], "divider against the original", () => this.compare(!this.comparing)],
    [["m"], "next colour map", () => this.nextColours()],
  ];

  constructor(private readonly page: Page) {
    this.colours = page.colours.find(({ name }) => name === "inferno") ?? page.colours[0];
    byId("sliders").replaceChildren(...UNSCALED.map((_, i) => this.slider(i + 1)));
    byId("original").onclick = () => this.showOriginal(!this.original);
    byId("compare").onclick = () => this.compare(!this.comparing);
    byId("reset").onclick = () => this.reset();
    within<HTMLButtonElement>(byId("fusion"), ".colours").onclick = () => this.nextColours();
    this.line.onpointerdown = (event) => this.line.setPointerCapture(event.pointerId);
    this.line.onpointermove = (event) => event.buttons && this.moveDivider(placeIn(this.picture, event)[0]);
    this.line.onkeydown = (event) => {
      const by = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.moveDivider(Math.min(Math.max(this.divider + by, 0), 1));
    };
    for (const element of [this.picture, within(byId("fusion"), "figure .picture")]) {
      element.onpointerdown = element.onpointermove = (event) => this.read(element, event);
      // A finger that has gone leaves the value that it was on.
      element.onpointerleave = (event) => event.pointerType !== "touch" && this.read(element, null);
    }
  }

  private slider(k: number): HTMLElement {
    const row = document.createElement("div");
    row.className = "slider";
    row.innerHTML =
      `<label for="scale-${k}">Fusion ${k}${ENDS[k] ?? ""}</label>` +
      `<input type="range" id="scale-${k}" min="${LOW}" max="${HIGH}" step="${STEP}" value="1">` +
      `<output for="scale-${k}">1.00</output><button aria-pressed="false" aria-label="Fusion ${k} off">off</button>`;
    const input = within<HTMLInputElement>(row, "input");
    this.inputs.push(input);
    let before = 1;
    input.onpointerdown = () => ([this.dragging, before] = [true, this.scales[k - 1]]);
    input.onpointerup = () => (this.dragging = false);
    input.onpointercancel = () => {
      this.dragging = false;
      this.set(k, before); // a finger that scrolls the page has begun on it
    };
    input.oninput = () => {
      const value = Number(input.value);
      const near = this.dragging ? SNAPS.find((snap) => Math.abs(snap - value) < SNAP_WITHIN) : undefined;
      this.set(k, near ?? value, true);
    };
    input.onchange = () => this.ask(false);
    input.onfocus = () => this.choose(k);
    input.ondblclick = () => this.set(k, 1);
    input.oncontextmenu = (event) => {
      event.preventDefault();
      if ((event as PointerEvent).pointerType !== "touch") this.set(k, 1); // a finger only rests there
    };
    within<HTMLButtonElement>(row, "button").onclick = () => this.switchOff(k);
    return row;
  }

  show(shown: Shown): void {
    this.shown = shown;
    this.depth = shown.scene.depth;
    const [height, width] = shown.scene.photo;
    byId("fusion").style.setProperty("--aspect", String(width / height));
    byId("depth-words").textContent = `The depth is ${depthInWords(shown.model.facts.card)}. Bright is near.`;
    byId("photo-size").textContent = `${width} × ${height}`;
    const canvas = byId<HTMLCanvasElement>("photo");
    const factor = Math.min(1, 1600 / Math.max(height, width)); // no more than a screen shows
    [canvas.width, canvas.height] = [Math.round(width * factor), Math.round(height * factor)];
    canvas.getContext("2d")?.drawImage(shown.bitmap, 0, 0, canvas.width, canvas.height);
    this.showScales();
    if (this.scaled) this.ask(false);
    this.draw();
  }

  resize(): void {
    // Canvases follow by themselves.
  }

  private get scaled(): boolean {
    return this.scales.some((scale) => scale !== 1);
  }

  private choose(k: number, focus = false): void {
    this.chosen = k;
    if (focus) this.inputs[k - 1].focus();
    this.showScales();
  }

  private set(k: number, value: number, moving = false): void {
    this.scales[k - 1] = Math.round(Math.min(Math.max(value, LOW), HIGH) / STEP) * STEP;
    this.chosen = k;
    if (this.original) this.showOriginal(false);
    this.showScales();
    this.ask(moving);
  }

  private step(by: number): void {
    this.set(this.chosen, this.scales[this.chosen - 1] + by);
  }

  private switchOff(k: number): void {
    this.set(k, this.scales[k - 1] === 0 ? 1 : 0);
  }

  /** Off, half, and one again. */
  private stepStop(): void {
    const value = this.scales[this.chosen - 1];
    this.set(this.chosen, value === 0 ? 0.5 : value === 0.5 ? 1 : 0);
  }

  private reset(): void {
    this.scales = [...UNSCALED];
    this.showOriginal(false);
    this.showScales();
    this.ask(false);
  }

  private showOriginal(original: boolean): void {
    this.original = original;
    press(byId("original"), original);
    byId("sliders").classList.toggle("off", original);
    this.draw();
  }

  private compare(comparing: boolean): void {
    this.comparing = comparing;
    press(byId("compare"), comparing);
    this.line.hidden = !comparing;
    this.moveDivider(this.divider);
  }

  private moveDivider(share: number): void {
    this.divider = share;
    this.line.style.left = `${100 * share}%`;
    this.line.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    this.draw();
  }

  private nextColours(): void {
    const { colours } = this.page;
    this.colours = colours[(colours.indexOf(this.colours) + 1) % colours.length];
    this.draw();
  }

  private showScales(): void {
    this.inputs.forEach((input, i) => {
      const value = this.scales[i];
      const row = input.parentElement as HTMLElement;
      input.value = String(value);
      const [from, to] = [Math.min(value, 1), Math.max(value, 1)].map((end) => (100 * (end - LOW)) / (HIGH - LOW));
      // The groove is as wide as the picture; a background's place is a share of what it leaves free.
      input.style.setProperty("--span", `${to - from}%`);
      input.style.setProperty("--from", `${to - from >= 100 ? 0 : (100 * from) / (100 - (to - from))}%`);
      row.classList.toggle("chosen", i + 1 === this.chosen);
      row.classList.toggle("moved", value !== 1);
      within(row, "output").textContent = value.toFixed(2).replace("-", "−");
      press(within(row, "button"), value === 0);
    });
  }

  /** Ask for the depth of the scales; `moving`: coarse, for the next one is on its way. */
  private ask(moving: boolean): void {
    const { shown } = this;
    if (!shown) return;
    const scales: Scales = [...this.scales];
    this.latest.ask(async () => {
      try {
        const unscaled = scales.every((scale) => scale === 1);
        const depth = unscaled ? shown.scene.depth : await shown.model.client.call("depth", scales, moving);
        if (this.shown !== shown) return;
        this.depth = depth;
        this.draw();
      } catch (error) {
        this.page.status.failed(error);
      }
    });
  }

  private draw(): void {
    if (!this.shown || !this.depth) return;
    const { scene, model } = this.shown;
    const kind = model.facts.card.depth_kind;
    const depth = this.original ? scene.depth : this.depth;
    const canvas = within<HTMLCanvasElement>(this.picture, "canvas");
    const limits = range(depth.values);
    this.colours.drawDepth(canvas, depth.values, depth.size, limits, kind);
    if (this.comparing) {
      const left = document.createElement("canvas");
      this.colours.drawDepth(left, scene.depth.values, scene.depth.size, range(scene.depth.values), kind);
      const share = (side: HTMLCanvasElement): number => Math.round(side.width * this.divider);
      if (this.divider > 0) {
        canvas.getContext("2d")?.drawImage(left, 0, 0, share(left), left.height, 0, 0, share(canvas), canvas.height);
      }
    }
    const [far, near] = growsWithDistance(kind) ? [limits[1], limits[0]] : limits;
    const unit = kind === "metric" ? " m" : "";
    const bar = within(byId("fusion"), ".bar");
    within(bar, "span:first-child").textContent = `far ${number(far)}${unit}`;
    within(bar, "span:last-child").textContent = `${number(near)}${unit} near`;
    this.colours.drawBar(within<HTMLCanvasElement>(bar, "canvas"));
    caption(within(byId("fusion"), ".colours"), this.colours.name);
    byId("depth-title").textContent = this.original ? "Original depth" : "Depth";
    const whole = `${scene.input[1]} × ${scene.input[0]} · encoder ${Math.round(scene.depth.milliseconds)} ms`;
    const fused = depth === scene.depth ? "" : ` · fusion ${Math.round(depth.milliseconds)} ms`;
    this.page.status.facts(`${depth.coarse ? "preview" : "full"} · ${whole}${fused}`);
    this.picture.dataset["coarse"] = String(depth.coarse);
  }

  /** The value under the pointer as it is saved, at the photo's size, beside the original's. */
  private read(element: HTMLElement, event: PointerEvent | null): void {
    const label = within(this.picture, ".label");
    if (!event || !this.shown || !this.depth) {
      label.hidden = true;
      return this.page.status.say("");
    }
    const { card } = this.shown.model.facts;
    const { photo, depth: unscaled } = this.shown.scene;
    const place = placeIn(element, event);
    const [row, column] = [Math.floor(place[1] * photo[0]), Math.floor(place[0] * photo[1])];
    const unit = card.depth_kind === "metric" ? " m" : "";
    const at = ({ values, size }: DepthMap): string =>
      number(photoValue(values, size, photo, card.preparation.output_resize, [row, column])) + unit;
    const original = this.scaled && !this.original ? `, original ${at(unscaled)}` : "";
    const text = `x ${column}, y ${row} · depth ${at(this.original ? unscaled : this.depth)}${original}`;
    labelAt(label, text, place);
    this.page.status.say(text);
  }

  async saved(): Promise<Saved> {
    if (!this.shown) throw new Error("nothing is shown");
    const { client, facts } = this.shown.model;
    const depth = await client.call("photoDepth", this.original ? [...UNSCALED] : this.scales);
    const canvas = document.createElement("canvas");
    const picture = async (): Promise<Blob> => {
      this.colours.drawDepth(canvas, depth.values, depth.size, range(depth.values), facts.card.depth_kind);
      return png(canvas, depth.size, true);
    };
    return { name: "depth", values: depth.values, size: depth.size, picture, kind: "depth" };
  }
}
