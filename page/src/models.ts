/** Opens models, each in a worker of its own: WebAssembly's memory never shrinks. */
import { Client } from "./client";
import { sources, type Table } from "./contents";
import { byId } from "./dom";
import type { ModelFacts } from "./engine";
import type { Source } from "./reading";

type Where = "runtime" | "gpu";

const WORKERS: Record<Where, string> = { runtime: "worker", gpu: "gpu-worker" };

export interface OpenModel {
  readonly client: Client;
  facts: ModelFacts;
  files: Source[];
}

export class Models {
  private readonly runtimes: Partial<Record<Where, Source[]>> = {};
  private readonly addresses: Partial<Record<Where, string>> = {};

  constructor(
    private readonly table: Table,
    private readonly report: (what: string, share: number) => void,
  ) {}

  /** Open a model with what lies beside it, on the processor or on the graphics card. */
  async open(files: Source[], where: Where = "runtime"): Promise<OpenModel> {
    const [runtime] = (this.runtimes[where] ??= sources(this.table, where));
    const client = new Client((this.addresses[where] ??= addressOf(byId(WORKERS[where]).textContent ?? "")), this.report);
    try {
      await client.call("start", runtime, where === "gpu");
      return { client, facts: await client.call("open", files), files };
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Open what lies beside a model that is open. */
  async add(model: OpenModel, files: Source[]): Promise<void> {
    model.facts = await model.client.call("open", files);
    model.files = [...model.files, ...files];
  }
}

/** Where a module worker finds its code: Chromium refuses it blobs of a page that is a file, and threads need a blob's address. */
function addressOf(code: string): string {
  if (location.protocol === "file:") return `data:text/javascript,${encodeURIComponent(code)}`;
  return URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
}
