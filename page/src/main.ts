/** The page: what is wanted and what is shown, which view, keys, files that are dropped. */
import { takePhoto } from "./camera";
import { colourMaps } from "./colours";
import { readTable, sources } from "./contents";
import { byId, press } from "./dom";
import { belongToAModel, receiveFiles, sorted } from "./dropping";
import { PageError } from "./errors";
import { FusionView } from "./fusion";
import { difference, gpuIsThere, MOST, notForTheGpu } from "./gpu";
import { showHelp } from "./help";
import { Models, type OpenModel } from "./models";
import { NormView } from "./norms";
import { offerSamples, Photos, type Photo } from "./photos";
import { inputSize } from "./prepare";
import { decode, readBlob, type Source } from "./reading";
import { download, fileOf } from "./saving";
import { ownSide, Sizes } from "./sizes";
import { Status } from "./status";
import type { Key, Page, Shown, View } from "./view";

/** What a person asks for; it is shown once the model has run. */
interface Wanted {
  model: OpenModel | null;
  photo: Photo | null;
  side: number;
}

const table = readTable();

class Main implements Page {
  readonly colours = colourMaps(table);
  readonly status = new Status();
  private readonly models = new Models(table, (what, share) => this.status.progress(what, share));
  private readonly photos = new Photos();
  private readonly sizes = new Sizes((side) => this.ask({ side }));
  private readonly views: Record<"norms" | "fusion", View> = { norms: new NormView(this), fusion: new FusionView(this) };
  private view: "norms" | "fusion" = "norms";
  private wanted: Wanted = { model: null, photo: null, side: 0 };
  private shown: Shown | null = null;
  private cameraIsOn = false;

  constructor() {
    byId("view-norms").onclick = () => this.choose("norms");
    byId("view-fusion").onclick = () => this.choose("fusion");
    for (const id of ["choose-photo", "start-photo"]) byId(id).onclick = () => byId("photo-input").click();
    for (const id of ["use-camera", "start-camera"]) byId(id).onclick = () => void this.useCamera();
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
    for (const kind of ["png", "png16", "npy"] as const) byId(`save-${kind}`).onclick = () => this.save(kind);
    byId("help-button").onclick = () => this.help();
    byId("gpu").onclick = () => this.status.do(() => this.switchGpu());
    void gpuIsThere().then((there) => (byId("gpu").hidden = !there));
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("pointerdown", ({ target }) => {
      if (!byId("save").contains(target as Node)) byId<HTMLDetailsElement>("save").open = false;
    });
    window.addEventListener("resize", () => this.views[this.view].resize());
    receiveFiles((files) => this.take(files));
  }

  /** Open what the page came with. */
  start(): void {
    this.status.do(async () => {
      const read = async (source: Source): Promise<Photo> => ({ name: source.name, blob: await readBlob(source) });
      const samples = await Promise.all(sources(table, "photo").map(read));
      offerSamples(samples, (photo) => this.status.do(() => this.addPhotos([photo])));
      const files = sources(table, "model");
      if (files.length) await this.open(files);
      else byId("model-name").textContent = "no model yet";
    });
  }

  /** Whatever was dropped or chosen. */
  private take(files: File[]): void {
    this.status.do(async () => {
      const { models, photos } = sorted(files);
      if (models.length) await this.open(models.map((file) => ({ name: file.name, data: file, gzip: false, size: file.size })));
      if (photos.length) await this.addPhotos(photos.map((file) => ({ name: file.name, blob: file })));
    });
  }

  /** Beside what else goes on: a person takes their time. */
  private async useCamera(): Promise<void> {
    if (this.cameraIsOn) return;
    this.cameraIsOn = true;
    try {
      const photos = await takePhoto();
      if (photos.length) this.status.do(() => this.addPhotos(photos));
    } catch (error) {
      this.status.failed(error);
    } finally {
      this.cameraIsOn = false;
    }
  }

  private want(change: Partial<Wanted>): void {
    const { model, photo, side } = (this.wanted = { ...this.wanted, ...change });
    this.photos.want(photo);
    if (!model) return;
    const { name, card, companion, preview } = model.facts;
    const missing = !companion ? " · no companion: a slider runs the whole model" : !preview ? " · no preview" : "";
    byId("model-name").textContent = `${name.replace(/\.onnx$/i, "")}${card.architecture ? ` · ${card.architecture}` : ""}${missing}`;
    this.sizes.offer(card);
    this.sizes.show(side);
  }

  private ask(change: Partial<Wanted>): void {
    this.want(change);
    this.status.do(() => this.run());
  }

  /** What is wanted through the model, unless it is shown already: of several wishes only the last is run. */
  private async run(): Promise<void> {
    const { wanted, shown } = this;
    if (!wanted.photo) return;
    if (!wanted.model) {
      throw new PageError("Choose a model first: NAME.onnx, with NAME.fusion.onnx and NAME.preview.onnx where they are there.");
    }
    if (shown && shown.model === wanted.model && shown.photo === wanted.photo && shown.side === wanted.side) return;
    try {
      this.accept(await this.prepared(wanted.model, wanted.photo, wanted.side));
    } catch (error) {
      if (this.wanted === wanted) this.giveUp();
      throw error;
    }
  }

  /** What is shown stays. */
  private giveUp(): void {
    const { shown, wanted } = this;
    if (shown && wanted.model !== shown.model) wanted.model?.client.close();
    this.want(shown ? { model: shown.model, photo: shown.photo, side: shown.side } : { photo: null });
  }

  private async prepared(model: OpenModel, photo: Photo, side: number): Promise<Shown> {
    const bitmap = await decode(photo.blob, photo.name);
    try {
      const [height, width] = inputSize(model.facts.card, [bitmap.height, bitmap.width], side);
      this.status.progress(`running ${photo.name} at ${width} × ${height}`, null);
      const scene = await model.client.call("prepare", photo.blob, photo.name, side);
      this.status.progress("", null);
      return { model, photo, side, bitmap, scene };
    } catch (error) {
      bitmap.close();
      throw error;
    }
  }

  /** Show it; the model that was shown before goes only now. */
  private accept(next: Shown): void {
    const before = this.shown;
    this.shown = next;
    byId("start").hidden = true;
    this.choose(this.view);
    before?.bitmap.close();
    if (before && before.model !== next.model) before.model.client.close();
  }

  private async open(files: Source[]): Promise<void> {
    const before = this.wanted.model;
    if (before && belongToAModel(files.map(({ name }) => name))) {
      await this.models.add(before, files);
      this.want({});
      this.status.progress("", null);
      return;
    }
    const model = await this.models.open(files);
    if (before !== this.shown?.model) before?.client.close();
    this.want({ model, side: ownSide(model.facts.card) });
    this.status.progress("", null);
    await this.run();
  }

  /** To the graphics card and back. On the card the photo's depth is held against the processor's first. */
  private async switchGpu(): Promise<void> {
    const { shown } = this;
    if (!shown) throw new PageError("Choose a photo first: WebGPU's depth is held against the processor's.");
    const toGpu = !shown.model.facts.gpu;
    const reason = toGpu ? notForTheGpu(shown.model.facts) : "";
    if (reason) throw new PageError(reason);
    const model = await this.models.open(shown.model.files, toGpu ? "gpu" : "runtime");
    try {
      const next = await this.prepared(model, shown.photo, shown.side);
      const share = toGpu ? difference(shown.scene, next.scene) : 0;
      if (!(share <= MOST)) throw new PageError(`WebGPU's depth differs by ${share.toExponential(1)} of its range here; the processor goes on.`);
      this.accept(next);
      this.want({ model });
      if (toGpu) this.status.say(`WebGPU: the depth is the processor's within ${share.toExponential(1)} of its range`);
    } catch (error) {
      model.client.close();
      throw error;
    }
  }

  /** Show the first of them that can be read; of the others it is said. */
  private async addPhotos(photos: Photo[]): Promise<void> {
    this.photos.add(photos);
    let failure: unknown = null;
    for (const photo of photos) {
      this.want({ photo });
      try {
        await this.run();
        break;
      } catch (error) {
        if (!this.wanted.model) throw error; // they wait for one
        failure ??= error;
        this.photos.remove(photo);
      }
    }
    if (failure) throw failure;
  }

  private step(by: number): void {
    const photo = this.photos.beside(by);
    if (photo) this.ask({ photo });
  }

  private choose(view: "norms" | "fusion"): void {
    this.view = view;
    for (const name of ["norms", "fusion"] as const) {
      press(byId(`view-${name}`), name === view);
      byId(name).hidden = name !== view || !this.shown;
    }
    this.status.say("");
    if (!this.shown) return;
    const { model, scene } = this.shown;
    const { gpu, threads } = model.facts;
    press(byId("gpu"), gpu);
    const where = gpu ? "WebGPU" : `${threads} thread${threads > 1 ? "s" : ""}`;
    this.status.facts(`${scene.input[1]} × ${scene.input[0]} · encoder ${Math.round(scene.depth.milliseconds)} ms · ${where}`);
    this.views[view].show(this.shown);
  }

  /** Save what is shown now, under its own photo's name. */
  private save(kind: "png" | "png16" | "npy"): void {
    byId<HTMLDetailsElement>("save").open = false;
    this.status.do(async () => {
      if (!this.shown) throw new PageError("There is nothing to save yet: choose a photo first.");
      const { photo, model } = this.shown;
      const saved = await this.views[this.view].saved();
      const depthKind = saved.kind === "depth" ? model.facts.card.depth_kind : null;
      const [name, blob] = await fileOf(kind, saved, depthKind, `${photo.name.replace(/\.[^.]*$/, "")}_${saved.name}`);
      download(name, blob);
      this.status.say(`saved ${name}`);
    });
  }

  private readonly keys: Key[] = [
    [["v"], "norms or fusion", () => this.choose(this.view === "norms" ? "fusion" : "norms")],
    [["n"], "next photo", () => this.step(1)],
    [["p"], "previous photo", () => this.step(-1)],
    [["s"], "save the picture", () => this.save("png")],
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

new Main().start();
