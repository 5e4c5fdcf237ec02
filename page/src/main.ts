/** The page: what is opened, which view is shown, keys, files that are dropped. */
import { takePhoto } from "./camera";
import { inputSize } from "./prepare";
import { colourMaps } from "./colours";
import { readTable, sources } from "./contents";
import { byId, press, within } from "./dom";
import { receiveFiles, sorted } from "./dropping";
import type { ModelFacts } from "./engine";
import { inWords, PageError } from "./errors";
import { FusionView } from "./fusion";
import { difference, gpuIsThere, MOST, notForTheGpu } from "./gpu";
import { showHelp } from "./help";
import { Models } from "./models";
import { NormView } from "./norms";
import { decode, type Source } from "./reading";
import { download, fileOf } from "./saving";
import type { Key, Page, Shown, View } from "./view";

interface Photo {
  name: string;
  blob: Blob;
}

const table = readTable();

class Main implements Page {
  readonly colours = colourMaps(table);
  private readonly views: Record<"norms" | "fusion", View>;
  private view: "norms" | "fusion" = "norms";
  private readonly models = new Models(table, (what, share) => this.progress(what, share));
  private photos: Photo[] = [];
  private photo = 0;
  private side: number | null = null;
  private shown: Shown | null = null;
  private work: Promise<void> = Promise.resolve();

  constructor() {
    this.views = { norms: new NormView(this), fusion: new FusionView(this) };
    byId("view-norms").onclick = () => this.choose("norms");
    byId("view-fusion").onclick = () => this.choose("fusion");
    for (const id of ["choose-photo", "start-photo"]) byId(id).onclick = () => byId("photo-input").click();
    for (const id of ["use-camera", "start-camera"]) byId(id).onclick = () => this.do(async () => this.addPhotos(await takePhoto()));
    byId("choose-model").onclick = () => byId("model-input").click();
    for (const id of ["photo-input", "model-input"]) {
      const input = byId<HTMLInputElement>(id);
      input.onchange = () => {
        this.take([...(input.files ?? [])]);
        input.value = "";
      };
    }
    byId("photo-previous").onclick = () => this.step(-1);
    byId("photo-next").onclick = () => this.step(1);
    for (const kind of ["png", "png16", "npy"] as const) byId(`save-${kind}`).onclick = () => this.do(() => this.save(kind));
    byId("help-button").onclick = () => this.help();
    within<HTMLButtonElement>(byId("problem"), "button").onclick = () => this.problem("");
    for (const select of document.querySelectorAll<HTMLSelectElement>(".size select")) {
      select.onchange = () => {
        this.side = select.value ? Number(select.value) : null;
        this.do(() => this.run());
      };
    }
    byId("gpu").onclick = () => this.do(() => this.switchGpu());
    void gpuIsThere().then((there) => (byId("gpu").hidden = !there));
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("resize", () => this.views[this.view].resize());
    receiveFiles((files) => this.take(files));
  }

  /** Open what the page came with. */
  start(): void {
    this.do(async () => {
      this.samples(await sources(table, "photo", () => {}));
      const files = await sources(table, "model", (name, share) => this.progress(`loading ${name}`, share));
      if (files.length) await this.open(files);
      else this.modelName("no model yet");
    });
  }

  say(text: string): void {
    byId("readout").textContent = text;
  }

  facts(text: string): void {
    byId("facts").textContent = text;
  }

  failed(error: unknown): void {
    this.problem(inWords(error));
    if (!(error instanceof PageError)) console.error(error);
  }

  private problem(text: string): void {
    byId("problem").hidden = !text;
    within(byId("problem"), "span").textContent = text;
  }

  private progress(text: string, share: number | null): void {
    const bar = byId<HTMLProgressElement>("progress");
    bar.hidden = !text;
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    this.say(text);
  }

  /** One thing after the other; what goes wrong is said. */
  private do(task: () => Promise<void>): void {
    this.work = this.work.then(async () => {
      this.problem("");
      document.body.setAttribute("aria-busy", "true");
      try {
        await task();
      } catch (error) {
        this.say("");
        this.failed(error);
      }
      document.body.setAttribute("aria-busy", "false");
      byId("progress").hidden = true;
    });
  }

  private samples(found: Source[]): void {
    byId("samples").hidden = !found.length;
    within(byId("samples"), "div").replaceChildren(
      ...found.map((source) => {
        const button = document.createElement("button");
        const image = document.createElement("img");
        void unpacked(source).then((blob) => (image.src = URL.createObjectURL(blob)));
        image.alt = source.name;
        button.append(image);
        button.onclick = () => this.do(async () => this.addPhotos([{ name: source.name, blob: await unpacked(source) }]));
        return button;
      }),
    );
  }

  /** Whatever was dropped or chosen. */
  private take(files: File[]): void {
    this.do(async () => {
      const { models, photos } = sorted(files);
      if (models.length) await this.open(models.map((file) => ({ name: file.name, blob: file, gzip: false, size: file.size })));
      if (photos.length) await this.addPhotos(photos.map((file) => ({ name: file.name, blob: file })));
    });
  }

  private async open(files: Source[]): Promise<void> {
    if (await this.models.open(files)) this.side = null;
    const model = this.models.facts as ModelFacts;
    const missing = !model.companion ? " · no companion: a slider runs the whole model" : !model.preview ? " · no preview" : "";
    this.modelName(`${model.name.replace(/\.onnx$/i, "")}${model.card.architecture ? ` · ${model.card.architecture}` : ""}${missing}`);
    this.sizes(model);
    this.progress("", null);
    await this.run();
  }

  /** To the graphics card and back. On the card the photo's depth is held against the processor's first. */
  private async switchGpu(): Promise<void> {
    const { facts } = this.models;
    if (!this.shown || !facts) throw new PageError("Choose a photo first: WebGPU's depth is held against the processor's.");
    const reason = facts.gpu ? "" : notForTheGpu(facts);
    if (reason) throw new PageError(reason);
    const before = this.shown.scene;
    try {
      await this.models.move(facts.gpu ? "runtime" : "gpu");
      await this.run();
      if (facts.gpu) return;
      const share = difference(before, this.shown.scene);
      if (!(share <= MOST)) throw new PageError(`WebGPU's depth differs by ${share.toExponential(1)} of its range here; the processor goes on.`);
      this.say(`WebGPU: the depth is the processor's within ${share.toExponential(1)} of its range`);
    } catch (error) {
      await this.models.move("runtime");
      await this.run();
      throw error;
    }
  }

  private modelName(text: string): void {
    byId("model-name").textContent = text;
  }

  /** Image sizes around the model's own. */
  private sizes({ card }: ModelFacts): void {
    const own = Math.max(...card.native_size);
    const multiple = card.preparation.multiple;
    const sides = card.dynamic
      ? [0.5, 0.75, 1, 1.25, 1.5, 2, 3].map((factor) => Math.round((own * factor) / multiple) * multiple)
      : [own];
    for (const select of document.querySelectorAll<HTMLSelectElement>(".size select")) {
      select.replaceChildren(...sides.map((side) => new Option(`${side} px`, side === own ? "" : String(side), side === own, side === own)));
      select.disabled = sides.length === 1;
    }
  }

  /** Show the first of them that can be read; of the others it is said. */
  private async addPhotos(photos: Photo[]): Promise<void> {
    const before = this.photo;
    const start = this.photos.length;
    this.photos.push(...photos);
    if (!this.models.client) {
      this.photo = start; // they wait for a model
      this.showPhotoName();
      return this.run();
    }
    let failure: unknown = null;
    for (this.photo = start; this.photo < this.photos.length; ) {
      try {
        await this.run();
        break;
      } catch (error) {
        failure ??= error;
        this.photos.splice(this.photo, 1);
      }
    }
    if (this.photo >= this.photos.length) this.photo = Math.max(Math.min(before, this.photos.length - 1), 0);
    this.showPhotoName();
    if (failure) throw failure;
  }

  private step(by: number): void {
    const next = this.photo + by;
    if (!this.photos[next]) return;
    this.photo = next;
    this.showPhotoName();
    this.do(() => this.run());
  }

  private showPhotoName(): void {
    const { photos, photo } = this;
    byId("photos").hidden = !photos.length;
    byId("photo-name").textContent = photos.length ? photos[photo].name : "";
    byId("photo-name").title = photos.length ? `${photo + 1} of ${photos.length}` : "";
    byId<HTMLButtonElement>("photo-previous").disabled = photo === 0;
    byId<HTMLButtonElement>("photo-next").disabled = photo >= photos.length - 1;
    for (const id of ["photo-previous", "photo-next"]) byId(id).hidden = photos.length < 2;
  }

  /** The chosen photo through the model. */
  private async run(): Promise<void> {
    const { client, facts: model } = this.models;
    const photo = this.photos[this.photo];
    if (!client || !model) {
      if (photo) throw new PageError("Choose a model first: NAME.onnx, with NAME.fusion.onnx and NAME.preview.onnx where they are there.");
      return;
    }
    if (!photo) return;
    const bitmap = await decode(photo.blob, photo.name);
    const [height, width] = inputSize(model.card, [bitmap.height, bitmap.width], this.side);
    this.progress(`running ${photo.name} at ${width} × ${height}`, null);
    const scene = await client.call("prepare", photo.blob, photo.name, this.side);
    this.shown?.photo.close();
    this.shown = { client, model, scene, photo: bitmap };
    this.progress("", null);
    byId("start").hidden = true;
    this.choose(this.view);
  }

  private choose(view: "norms" | "fusion"): void {
    this.view = view;
    for (const name of ["norms", "fusion"] as const) {
      press(byId(`view-${name}`), name === view);
      byId(name).hidden = name !== view || !this.shown;
    }
    this.say("");
    if (!this.shown) return;
    for (const select of document.querySelectorAll<HTMLSelectElement>(".size select")) select.value = this.side ? String(this.side) : "";
    const { model, scene } = this.shown;
    press(byId("gpu"), model.gpu);
    const threads = model.gpu ? "WebGPU" : `${model.threads} thread${model.threads > 1 ? "s" : ""}`;
    this.facts(`${scene.input[1]} × ${scene.input[0]} · encoder ${Math.round(scene.depth.milliseconds)} ms · ${threads}`);
    this.views[view].show(this.shown);
  }

  private async save(kind: "png" | "png16" | "npy"): Promise<void> {
    byId<HTMLDetailsElement>("save").open = false;
    if (!this.shown) throw new PageError("There is nothing to save yet: choose a photo first.");
    const saved = await this.views[this.view].saved();
    const depthKind = saved.kind === "depth" ? this.shown.model.card.depth_kind : null;
    const stem = `${this.photos[this.photo].name.replace(/\.[^.]*$/, "")}_${saved.name}`;
    const [name, blob] = await fileOf(kind, saved, depthKind, stem);
    download(name, blob);
    this.say(`saved ${name}`);
  }

  private readonly keys: Key[] = [
    [["v"], "norms or fusion", () => this.choose(this.view === "norms" ? "fusion" : "norms")],
    [["n"], "next photo", () => this.step(1)],
    [["p"], "previous photo", () => this.step(-1)],
    [["s"], "save the picture", () => this.do(() => this.save("png"))],
    [["h", "?"], "this help", () => this.help()],
  ];

  private help(): void {
    showHelp([["Both views", this.keys], ["Norms", this.views.norms.keys], ["Fusion", this.views.fusion.keys]]);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = event.target as HTMLElement;
    if (target.tagName === "SELECT" || (target.tagName === "INPUT" && event.key.length > 1)) return;
    const found = [...this.keys, ...this.views[this.view].keys].find(([keys]) => keys.includes(event.key));
    if (!found || (!this.shown && found[0][0] !== "h")) return;
    event.preventDefault();
    found[2](event.key);
  }
}

async function unpacked(source: Source): Promise<Blob> {
  return source.gzip ? new Response(source.blob.stream().pipeThrough(new DecompressionStream("gzip"))).blob() : source.blob;
}

new Main().start();
