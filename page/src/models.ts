/** The model that is open, in a worker of its own: WebAssembly's memory never shrinks, so another model gets another worker. */
import { Client } from "./client";
import { sources, type Table } from "./contents";
import { belongToAModel } from "./dropping";
import { byId } from "./dom";
import type { ModelFacts } from "./engine";
import type { Source } from "./reading";

type Where = "runtime" | "gpu";

const WORKERS: Record<Where, string> = { runtime: "worker", gpu: "gpu-worker" };

export class Models {
  client: Client | null = null;
  facts: ModelFacts | null = null;
  private files: Source[] = [];
  private readonly runtimes: Partial<Record<Where, Promise<Source[]>>> = {};

  constructor(
    private readonly table: Table,
    private readonly report: (what: string, share: number) => void,
  ) {}

  /** Open a model with what lies beside it, or what lies beside the one that is open. Whether it is another model. */
  async open(files: Source[]): Promise<boolean> {
    if (this.client && belongToAModel(files.map(({ name }) => name))) {
      this.facts = await this.client.call("open", files);
      this.files = [...this.files, ...files];
      return false;
    }
    await this.load(files, "runtime");
    return true;
  }

  /** Open the same model on the processor, or on the graphics card. */
  async move(where: Where): Promise<void> {
    await this.load(this.files, where);
  }

  /** The model before stays until this one is open. */
  private async load(files: Source[], where: Where): Promise<void> {
    this.runtimes[where] ??= sources(this.table, where, (name, share) => this.report(`loading ${name}`, share));
    const [runtime] = await this.runtimes[where];
    const client = new Client(addressOf(byId(WORKERS[where]).textContent ?? ""), this.report);
    try {
      await client.call("start", runtime, where === "gpu");
      this.facts = await client.call("open", files);
    } catch (error) {
      client.close();
      throw error;
    }
    this.client?.close();
    [this.client, this.files] = [client, files];
  }
}

/** Where a module worker finds its code: Chromium refuses it blobs of a page that is a file, and threads need a blob's address. */
function addressOf(code: string): string {
  if (location.protocol === "file:") return `data:text/javascript,${encodeURIComponent(code)}`;
  return URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
}
