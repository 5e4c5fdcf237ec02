/** From files to graphs that onnxruntime can open: which is which, whether they belong together, and weights that lie beside. */
import { readCard, type Card } from "./card";
import { PageError } from "./errors";
import { readOnnx, type OnnxFile } from "./protobuf";
import { gigabytes, readBytes, type Source } from "./reading";

export type Role = "model" | "companion" | "preview";

export interface GraphFile {
  role: Role;
  source: Source;
  card: Card;
  file: OnnxFile;
  data: Uint8Array;
  weights: { path: string; data: Uint8Array }[]; // that lie in files of their own
}

const LARGEST = 2 ** 31; // bytes of a protobuf message
const ADDRESSED = 2 ** 32; // bytes that WebAssembly can address
const ROLES: Record<Role, string> = { model: "model", companion: "fusion companion", preview: "preview" };

/** Read files; `opened`: name and id of the model that is open, if any. */
export async function readGraphs(
  sources: Source[],
  opened: { name: string; id: string } | null,
  report: (what: string, share: number) => void,
): Promise<GraphFile[]> {
  for (const source of sources) refuseTooLarge(source, source.size, isWeights(source) ? ADDRESSED : LARGEST);
  const beside = new Map(sources.filter(isWeights).map((source) => [source.name, source]));
  const graphs: GraphFile[] = [];
  for (const source of sources.filter((each) => !isWeights(each))) {
    const read = (each: Source): Promise<Uint8Array> => readBytes(each, (share) => report(`reading ${each.name}`, share));
    const data = await read(source);
    const file = readOnnx(data, source.name);
    const card = readCard(file, source.name);
    const weights: GraphFile["weights"] = [];
    for (const path of file.outside) {
      const found = beside.get(path);
      if (!found) throw new PageError(`${source.name}: expected ${path} with it, which its weights lie in; choose both together.`);
      refuseTooLarge(source, source.size + found.size, ADDRESSED);
      weights.push({ path, data: await read(found) });
      beside.delete(path);
    }
    graphs.push({ role: roleOf(file, source.name), source, card, file, data, weights });
  }
  for (const { name } of beside.values()) {
    throw new PageError(`${name}: expected the model with it whose weights these are; choose both together.`);
  }
  checkTogether(graphs, opened);
  return graphs;
}

function isWeights({ name }: Source): boolean {
  return /\.data$/i.test(name);
}

function refuseTooLarge({ name }: Source, size: number, most: number): void {
  if (size >= most) throw new PageError(`${name}: ${gigabytes(size)} are more than a browser can hold; open it with dptscope view.`);
}

function checkTogether(graphs: GraphFile[], opened: { name: string; id: string } | null): void {
  const model = graphs.find((each) => each.role === "model");
  if (model && opened) {
    throw new PageError(`${model.source.name}: expected a companion or a preview, as its name says, got a model; give it another name.`);
  }
  const id = model?.card.model_id ?? opened?.id;
  for (const { role, source, card } of graphs) {
    if (id === undefined) throw new PageError(`${source.name}: expected a model, got a ${ROLES[role]}; choose the model with it.`);
    if (card.model_id !== id) {
      if (role === "model") throw new PageError(`${source.name}: expected one model at a time, got ${model?.source.name} with it.`);
      throw new PageError(`${source.name}: expected the ${ROLES[role]} of ${model?.source.name ?? opened?.name}, got that of another model.`);
    }
  }
}

function roleOf(file: OnnxFile, name: string): Role {
  if (!file.inputs.some((input) => input.name === "fusion_input_1")) return "model";
  const depth = file.outputs.find((output) => output.name === "depth");
  return depth?.axes.includes("preview_height") || name.includes(".preview") ? "preview" : "companion";
}
