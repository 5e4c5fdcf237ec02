/** What answers: the graphs of one model and one photo, in onnxruntime. It lives in a worker, so that the page never freezes. */
import * as ort from "onnxruntime-web/wasm";
import type { Card } from "./card";
import { Detail } from "./detail";
import { isForMemory, PageError } from "./errors";
import { readGraphs, type GraphFile, type Role } from "./opening";
import { inputSize, prepare } from "./prepare";
import type { Default } from "./protobuf";
import { gigabytes, readBytes, readPixels, type Source } from "./reading";
import { toPhotoSize, type Size } from "./resize";
import { similarity, tokenNorms } from "./statistics";

export type Scales = [number, number, number, number];

export interface ModelFacts {
  name: string;
  card: Card;
  companion: boolean;
  preview: boolean;
  threads: number;
  gpu: boolean;
  milliseconds: number;
}

export interface SceneFacts {
  photo: Size;
  input: Size;
  norms: Float32Array[]; // one map a block …
  grids: Size[]; // … and its rows and columns
  classNorms: Float32Array | null; // one number a block
  depth: DepthMap;
}

export interface DepthMap {
  values: Float32Array;
  size: Size;
  coarse: boolean;
  milliseconds: number;
}

interface Graph {
  session: ort.InferenceSession;
  defaults: Default[];
}

interface Scene {
  photo: Size;
  image: ort.Tensor;
  tokens: Float32Array[];
  norms: Float32Array[];
  grids: Size[];
  classTokens: Float32Array | null;
  maps: Record<string, ort.Tensor>; // the companion's inputs
  full: { scales: Scales; depth: DepthMap } | null; // the last full depth …
  detail: Detail | null; // … and what it has that its preview has not, made when it is first needed
}

const UNSCALED: Scales = [1, 1, 1, 1];
const FUSION_BLOCKS = [1, 2, 3, 4] as const;

export class Engine {
  private readonly graphs = new Map<Role, Graph>();
  private card: Card | null = null;
  private name = "";
  private scene: Scene | null = null;
  private milliseconds = 0;
  private gpu = false;

  constructor(private readonly report: (what: string, share: number) => void) {}

  /** Unpack the runtime, once; `gpu`: that of the graphics card. */
  async start(runtime: Source, gpu: boolean): Promise<void> {
    this.gpu = gpu;
    ort.env.wasm.wasmBinary = (await readBytes(runtime, (share) => this.report(`reading ${runtime.name}`, share))).buffer as ArrayBuffer;
    // More than one needs the two headers that the little server sends.
    ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
    ort.env.logLevel = "error";
  }

  /** Open a model with what lies beside it, or what lies beside the model that is open: all of them, or none. */
  async open(sources: Source[]): Promise<ModelFacts> {
    const began = performance.now();
    const opened = this.card && { name: this.name, id: this.card.model_id };
    const files = await readGraphs(sources, opened, this.report);
    const graphs = new Map<Role, Graph>();
    try {
      for (const each of files) {
        this.report(`preparing ${each.source.name}`, 1);
        graphs.set(each.role, { session: await this.session(each), defaults: each.file.defaults });
      }
    } catch (error) {
      for (const { session } of graphs.values()) await session.release();
      throw error;
    }
    for (const [role, graph] of graphs) {
      await this.graphs.get(role)?.session.release();
      this.graphs.set(role, graph);
    }
    const model = files.find(({ role }) => role === "model");
    if (model) [this.card, this.name] = [model.card, model.source.name];
    this.milliseconds = performance.now() - began;
    return this.facts();
  }

  private async session({ source, data, weights }: GraphFile): Promise<ort.InferenceSession> {
    try {
      return await ort.InferenceSession.create(data, {
        executionProviders: [this.gpu ? "webgpu" : "wasm"],
        logSeverityLevel: 3,
        extra: { session: { force_spinning_stop: "1" } },
        externalData: weights,
      });
    } catch (error) {
      if (isForMemory(error)) {
        const size = weights.reduce((total, each) => total + each.data.length, data.length);
        throw new PageError(
          `${source.name}: there is not enough memory for this model of ${gigabytes(size)} in this browser; open it with dptscope view.`,
        );
      }
      throw new PageError(`${source.name}: onnxruntime cannot open it (${String(error).split("\n")[0].slice(0, 200)}).`);
    }
  }

  private facts(): ModelFacts {
    return {
      name: this.name,
      card: this.needed(this.card),
      companion: this.graphs.has("companion"),
      preview: this.graphs.has("preview"),
      threads: ort.env.wasm.numThreads ?? 1,
      gpu: this.gpu,
      milliseconds: this.milliseconds,
    };
  }

  /** Run the encoder on a photo, at an image size of `side`. */
  async prepare(photo: Blob, name: string, side: number): Promise<SceneFacts> {
    const card = this.needed(this.card);
    const began = performance.now();
    const pixels = await readPixels(photo, name);
    const size = inputSize(card, [pixels.height, pixels.width], side);
    const image = new ort.Tensor("float32", prepare(pixels, card, side), [1, 3, ...size]);
    const tokenNames = card.blocks.map((_, block) => `block_${String(block).padStart(2, "0")}_tokens`);
    const fusionNames = FUSION_BLOCKS.map((k) => `fusion_input_${k}`);
    const wanted = ["depth", ...tokenNames, ...fusionNames];
    if (card.has_cls) wanted.push("block_cls_tokens");
    const out = await this.run("model", { image }, wanted);
    const grids = tokenNames.map((key): Size => [out[key].dims[1], out[key].dims[2]]);
    const tokens = tokenNames.map((key) => floats(out[key]));
    const norms = tokens.map((each, block) => tokenNorms(each, card.blocks[block].channels));
    if (!norms.every((each) => each.every(Number.isFinite))) {
      throw new PageError(`${this.name}: expected tokens of finite length, got others: its weights are damaged or too large.`);
    }
    const scene: Scene = {
      photo: [pixels.height, pixels.width],
      image,
      tokens,
      norms,
      grids,
      classTokens: card.has_cls ? floats(out["block_cls_tokens"]) : null,
      maps: Object.fromEntries(fusionNames.map((key) => [key, out[key]])),
      full: null,
      detail: null,
    };
    const depth = { ...depthMap(out["depth"], UNSCALED, false), milliseconds: performance.now() - began };
    scene.full = { scales: UNSCALED, depth };
    this.scene = scene;
    const classNorms = scene.classTokens && tokenNorms(scene.classTokens, card.blocks[0].channels);
    return { photo: scene.photo, input: size, norms, grids, classNorms, depth };
  }

  /** Depth with other scales: by the companion, or by the preview with the detail of the last full one, where they are there. */
  async depth(scales: Scales, coarse: boolean): Promise<DepthMap> {
    const scene = this.needed(this.scene);
    const began = performance.now();
    if (coarse && this.graphs.has("preview") && scene.full) {
      const now = await this.decoded(scene, "preview", scales);
      scene.detail ??= new Detail(scene.full.depth, await this.decoded(scene, "preview", scene.full.scales));
      return { ...scene.detail.addedTo(now), milliseconds: performance.now() - began };
    }
    if (scene.full?.scales.every((scale, i) => scale === scales[i])) return scene.full.depth;
    const decoded = await this.decoded(scene, this.graphs.has("companion") ? "companion" : "model", scales);
    const depth = { ...decoded, milliseconds: performance.now() - began };
    [scene.full, scene.detail] = [{ scales, depth }, null];
    return depth;
  }

  private async decoded(scene: Scene, role: Role, scales: Scales): Promise<DepthMap> {
    const feeds = role === "model" ? { image: scene.image } : scene.maps;
    const out = await this.run(role, { ...feeds, ...scaleFeeds(scales) }, ["depth"]);
    return depthMap(out["depth"], scales, role === "preview");
  }

  /** Depth in full, at the photo's size: what is saved. */
  async photoDepth(scales: Scales): Promise<DepthMap> {
    const { photo } = this.needed(this.scene);
    const depth = await this.depth(scales, false);
    const how = this.needed(this.card).preparation.output_resize;
    return { ...depth, values: toPhotoSize(depth.values, depth.size, photo, how), size: photo };
  }

  /** Cosine similarity, in every block, of its tokens to the one at a place of the photo (0 to 1), or to the class token. */
  similarities(place: [x: number, y: number] | null): Float32Array[] {
    const { tokens, norms, grids, classTokens } = this.needed(this.scene);
    return this.needed(this.card).blocks.map(({ channels }, block) => {
      const [rows, columns] = grids[block];
      const from = place ? tokens[block] : this.needed(classTokens);
      const at = place ? Math.floor(place[1] * rows) * columns + Math.floor(place[0] * columns) : block;
      return similarity(tokens[block], channels, norms[block], from.subarray(at * channels, (at + 1) * channels));
    });
  }

  private async run(role: Role, feeds: Record<string, ort.Tensor>, wanted: string[]): Promise<Record<string, ort.Tensor>> {
    const graph = this.needed(this.graphs.get(role));
    const neutral = graph.defaults.map((each) => [each.name, new ort.Tensor(each.type, each.data, each.dims)]);
    return graph.session.run({ ...Object.fromEntries(neutral), ...feeds }, wanted);
  }

  private needed<T>(value: T | null | undefined): T {
    if (value === null || value === undefined) throw new PageError("Choose a model and a photo first.");
    return value;
  }
}

function scaleFeeds(scales: Scales): Record<string, ort.Tensor> {
  return Object.fromEntries(
    FUSION_BLOCKS.map((k) => [`fusion_scale_${k}`, new ort.Tensor("float32", new Float32Array([scales[k - 1]]), [1])]),
  );
}

function floats(tensor: ort.Tensor): Float32Array {
  return tensor.data as Float32Array;
}

function depthMap(depth: ort.Tensor, scales: Scales, coarse: boolean): DepthMap {
  const [, height, width] = depth.dims;
  const values = floats(depth);
  if (!values.every(Number.isFinite)) {
    const scaled = scales.some((scale) => scale !== 1);
    const reason = scaled ? "take scales nearer to 1" : "the model's weights are damaged or too large";
    throw new PageError(`Expected a depth of finite numbers, got others: ${reason}.`);
  }
  return { values, size: [height, width], coarse, milliseconds: 0 };
}
