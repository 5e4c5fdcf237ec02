/**
 * One walk over an ONNX file's protobuf messages, for what onnxruntime-web does not hand out: the metadata, and the inputs that
 * have a default. The field numbers are those of `onnx.proto`. Weights are stepped over, so it takes milliseconds.
 */
import { PageError } from "./errors";

/** A graph input or output: its axes are numbers, or names where a size is free. */
export interface Value {
  name: string;
  axes: (number | string)[];
}

/** An input with a default: what stands in its initializer. */
export interface Default {
  name: string;
  type: "float32" | "int64" | "int32" | "bool";
  dims: number[];
  data: Float32Array | BigInt64Array | Int32Array | Uint8Array;
}

export interface OnnxFile {
  metadata: Map<string, string>;
  inputs: Value[];
  outputs: Value[];
  defaults: Default[];
  outside: string[]; // files beside it that weights lie in
}

interface Field {
  number: number;
  tag: number; // where it begins
  value: number; // of a varint
  start: number; // of a content …
  end: number; // … and its end
}

interface Initializer {
  name: string;
  tag: number;
  field: Field;
  outside: string | null; // the file that it lies in
}

const INITIALIZER_TAG = (5 << 3) | 2;
const UNUSED_TAG = (3 << 3) | 2; // a field that onnx.proto does not have

/**
 * Read a file, and make its optional inputs required, in place: onnxruntime's JavaScript interface refuses to feed an input that
 * has a default. The tag of each such default becomes that of a field which nobody reads; no length changes.
 */
export function readOnnx(data: Uint8Array, name: string): OnnxFile {
  try {
    return new Walk(data).model();
  } catch (error) {
    if (error instanceof PageError) throw error;
    throw new PageError(`${name}: expected an ONNX model, got something else or a damaged one.`);
  }
}

class Walk {
  private readonly text = new TextDecoder();

  constructor(private readonly data: Uint8Array) {}

  model(): OnnxFile {
    const file: OnnxFile = { metadata: new Map(), inputs: [], outputs: [], defaults: [], outside: [] };
    const weights = new Map<string, Initializer>();
    let graphs = 0;
    for (const field of this.fields(0, this.data.length)) {
      if (field.number === 14) file.metadata.set(...this.entry(field));
      if (field.number !== 7) continue;
      graphs++;
      for (const part of this.fields(field.start, field.end)) {
        if (part.number === 5) this.addInitializer(weights, part);
        if (part.number === 11) file.inputs.push(this.value(part));
        if (part.number === 12) file.outputs.push(this.value(part));
      }
    }
    if (!graphs) throw new Error("no graph");
    const outside = [...weights.values()].flatMap((weight) => weight.outside ?? []);
    file.outside = [...new Set(outside)];
    for (const input of file.inputs) {
      const weight = weights.get(input.name);
      if (!weight) continue;
      file.defaults.push(this.tensor(weight));
      this.data[weight.tag] = UNUSED_TAG;
    }
    return file;
  }

  private *fields(start: number, end: number): Generator<Field> {
    let place = start;
    const varint = (): number => {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = this.data[place++];
        if (byte === undefined || factor > 2 ** 63) throw new Error("no varint");
        value += (byte & 127) * factor;
        if (byte < 128) return value;
      }
    };
    while (place < end) {
      const tag = place;
      const key = varint();
      const kind = key % 8;
      const field: Field = { number: Math.floor(key / 8), tag, value: 0, start: place, end: place };
      if (kind === 0) field.value = varint();
      else if (kind === 2) {
        const length = varint();
        field.start = place;
        place += length;
      } else if (kind === 1 || kind === 5) place += kind === 1 ? 8 : 4;
      else throw new Error("no field");
      field.end = place;
      if (place > end) throw new Error("longer than what holds it");
      yield field;
    }
  }

  private string(field: Field): string {
    return this.text.decode(this.data.subarray(field.start, field.end));
  }

  private entry(field: Field): [string, string] {
    const found = ["", ""];
    for (const part of this.fields(field.start, field.end)) {
      if (part.number === 1 || part.number === 2) found[part.number - 1] = this.string(part);
    }
    return [found[0], found[1]];
  }

  private value(field: Field): Value {
    const value: Value = { name: "", axes: [] };
    for (const part of this.fields(field.start, field.end)) {
      if (part.number === 1) value.name = this.string(part);
      // ValueInfo.type, Type.tensor_type, Tensor.shape, Shape.dim
      for (const dim of part.number === 2 ? this.below(part, [1, 2, 1]) : []) {
        let axis: number | string = "";
        for (const side of this.fields(dim.start, dim.end)) axis = side.number === 1 ? side.value : this.string(side);
        value.axes.push(axis);
      }
    }
    return value;
  }

  private *below(field: Field, numbers: number[]): Generator<Field> {
    for (const part of this.fields(field.start, field.end)) {
      if (part.number !== numbers[0]) continue;
      if (numbers.length === 1) yield part;
      else yield* this.below(part, numbers.slice(1));
    }
  }

  private addInitializer(weights: Map<string, Initializer>, field: Field): void {
    const weight: Initializer = { name: "", tag: field.tag, field, outside: null };
    let location = "";
    let external = false;
    for (const part of this.fields(field.start, field.end)) {
      if (part.number === 8) weight.name = this.string(part);
      if (part.number === 14) external = part.value === 1;
      if (part.number !== 13) continue;
      const [key, value] = this.entry(part);
      if (key === "location") location = value;
    }
    if (external) weight.outside = location;
    weights.set(weight.name, weight);
  }

  /** A default, whichever way its numbers are written. */
  private tensor(weight: Initializer): Default {
    if (this.data[weight.tag] !== INITIALIZER_TAG) throw new Error("a tag of several bytes");
    if (weight.outside !== null) throw new Error("a default in another file");
    const dims: number[] = [];
    let type = 0;
    let raw: Uint8Array | null = null;
    const numbers: number[] = [];
    for (const part of this.fields(weight.field.start, weight.field.end)) {
      const bytes = this.data.slice(part.start, part.end);
      if (part.number === 1) dims.push(...this.varints(part));
      else if (part.number === 2) type = part.value;
      else if (part.number === 4) numbers.push(...new Float32Array(bytes.buffer));
      else if (part.number === 5 || part.number === 7) numbers.push(...this.varints(part));
      else if (part.number === 9) raw = bytes;
    }
    const base = { name: weight.name, dims };
    if (type === 1) return { ...base, type: "float32", data: raw ? new Float32Array(raw.buffer) : new Float32Array(numbers) };
    if (type === 6) return { ...base, type: "int32", data: raw ? new Int32Array(raw.buffer) : new Int32Array(numbers) };
    if (type === 7) {
      return { ...base, type: "int64", data: raw ? new BigInt64Array(raw.buffer) : new BigInt64Array(numbers.map(BigInt)) };
    }
    if (type === 9) return { ...base, type: "bool", data: raw ?? new Uint8Array(numbers) };
    throw new PageError(`The optional input ${weight.name} has a type that this page does not know (${type}).`);
  }

  /** One number, or several packed into one field. */
  private varints(field: Field): number[] {
    if ((this.data[field.tag] & 7) === 0) return [field.value];
    const found: number[] = [];
    let [value, factor] = [0, 1];
    for (let place = field.start; place < field.end; place++) {
      value += (this.data[place] & 127) * factor;
      factor *= 128;
      if (this.data[place] >= 128) continue;
      found.push(value >= 2 ** 63 ? value - 2 ** 64 : value);
      [value, factor] = [0, 1];
    }
    return found;
  }
}
