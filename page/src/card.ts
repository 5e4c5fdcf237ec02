/** What a file says about itself. The names are those of its metadata, which `docs/contract.md` explains. */
import { PageError } from "./errors";
import type { OnnxFile } from "./protobuf";

export type DepthKind = "relative" | "distance" | "metric";

export interface Preparation {
  mean: [number, number, number];
  std: [number, number, number];
  resize_rule: "lower_bound" | "minimal" | "exact" | "longest" | "pad";
  multiple: number;
  output_resize: "bilinear_align_corners" | "bilinear" | "bicubic";
  interpolation?: "cubic" | "uint8_area_or_cubic" | "uint8_linear_antialiased";
}

export interface Block {
  channels: number;
  stride: number;
  stage: number;
}

export interface Card {
  model_id: string;
  architecture: string;
  form: "default" | "portable" | "readable";
  depth_kind: DepthKind;
  max_depth: number | null;
  canonical_focal: number | null;
  native_size: [number, number];
  dynamic: boolean;
  size_multiple: number;
  preparation: Preparation;
  blocks: Block[];
  taps: (number | null)[];
  has_cls: boolean;
}

const PREFIX = "dptscope.";
const VERSIONS = ["1", "2"];
const PLAIN = new Set(["model_id", "architecture", "depth_kind", "form"]);
const NEEDED = [
  "model_id", "depth_kind", "native_size", "dynamic", "size_multiple", "preparation", "blocks", "taps", "has_cls",
];
const KNOWN: Record<string, string[]> = {
  resize_rule: ["lower_bound", "minimal", "exact", "longest", "pad"],
  output_resize: ["bilinear_align_corners", "bilinear", "bicubic"],
  interpolation: ["cubic", "uint8_area_or_cubic", "uint8_linear_antialiased"],
};

/** Read the card of a model, a companion or a preview. */
export function readCard(file: OnnxFile, name: string): Card {
  const contract = file.metadata.get(`${PREFIX}contract`);
  if (contract === undefined) {
    throw new PageError(
      `${name}: expected a model exported by dptscope, got an ONNX file of something else, or one whose metadata a tool has left out.`,
    );
  }
  if (!VERSIONS.includes(contract)) {
    throw new PageError(
      `${name}: expected contract ${VERSIONS.join(" or ")}, got ${contract.slice(0, 40)}; make this page again with a newer dptscope.`,
    );
  }
  const card: Record<string, unknown> = { architecture: "", form: "default", max_depth: null, canonical_focal: null };
  for (const [key, text] of file.metadata) {
    if (!key.startsWith(PREFIX)) continue;
    const field = key.slice(PREFIX.length);
    try {
      card[field] = PLAIN.has(field) ? text : JSON.parse(text);
    } catch {
      card[field] = text; // plain words that this page has no use for
    }
  }
  const missing = NEEDED.find((field) => card[field] === undefined);
  if (missing) throw new PageError(`${name}: its dptscope metadata is damaged (${missing} is missing); export it again.`);
  const read = card as unknown as Card;
  const rule = read.preparation as unknown as Record<string, string>;
  for (const [field, words] of Object.entries(KNOWN)) {
    if (rule[field] !== undefined && !words.includes(rule[field])) {
      throw new PageError(`${name}: expected the ${field} ${words.join(" or ")}, got ${rule[field]}; make this page again with a newer dptscope.`);
    }
  }
  return asTheGraphHasIt(read, file, name);
}

/** A file's sizes may have been fixed after the export, by a tool that leaves the metadata as they are: the graph wins. */
function asTheGraphHasIt(card: Card, file: OnnxFile, name: string): Card {
  const image = file.inputs.find((input) => input.name === "image");
  const [batch, , height, width] = image?.axes ?? [];
  if (typeof batch === "number" && batch !== 1) {
    throw new PageError(`${name}: expected an input of one photo at a time, or of any number, got a batch fixed to ${batch}.`);
  }
  if (typeof height !== "number" || typeof width !== "number") return card;
  return { ...card, native_size: [height, width], dynamic: false };
}

/** Whether a larger number is farther away. */
export function growsWithDistance(kind: DepthKind): boolean {
  return kind !== "relative";
}

/** What a model's depth is, in a line for people. */
export function depthInWords(card: Card): string {
  if (card.depth_kind === "metric") return `metres, up to ${card.max_depth}`;
  if (card.depth_kind === "relative") return "relative inverse depth, larger is nearer";
  return card.canonical_focal === null
    ? "distance up to a factor, larger is farther"
    : `metres × ${card.canonical_focal} / focal length in pixels of the model's input, larger is farther`;
}
