/** What the page is opened with: the table behind it, and the files that lie in it or at their server's addresses. */
import { PageError } from "./errors";
import type { Source } from "./reading";

interface Row {
  role: "runtime" | "gpu" | "model" | "photo";
  name: string;
  size: number;
  gzip: boolean;
  inside?: string;
  pieces?: number;
  address?: string;
}

export interface Table {
  version: string;
  files: Row[];
  colours: Record<string, { table: string; outlier: string }>;
}

export function readTable(): Table {
  return JSON.parse(document.getElementById("dptscope-table")?.textContent ?? "null") as Table;
}

/** Files of a role, each read when it is first wanted. */
export async function sources(table: Table, role: Row["role"], report: (name: string, share: number) => void): Promise<Source[]> {
  const found: Source[] = [];
  for (const row of table.files.filter((each) => each.role === role)) {
    const blob = row.address ? await fetched(row, row.address, report) : inside(row);
    found.push({ name: row.name, blob, gzip: row.gzip, size: row.size });
  }
  return found;
}

function inside(row: Row): Blob {
  const parts: BlobPart[] = [];
  for (let piece = 0; piece < (row.pieces ?? 0); piece++) {
    const element = document.getElementById(`${row.inside}-${piece}`);
    parts.push(fromBase64(element?.textContent ?? "").buffer as ArrayBuffer);
  }
  return new Blob(parts);
}

function fromBase64(text: string): Uint8Array {
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
  if (native) return native(text);
  const binary = atob(text);
  const data = new Uint8Array(binary.length);
  for (let i = 0; i < data.length; i++) data[i] = binary.charCodeAt(i);
  return data;
}

async function fetched(row: Row, address: string, report: (name: string, share: number) => void): Promise<Blob> {
  const response = await fetch(address).catch(() => null);
  if (!response?.ok || !response.body) throw new PageError(`${row.name}: the server of this page does not answer; start it again.`);
  const chunks: BlobPart[] = [];
  const reader = response.body.getReader();
  const total = Number(response.headers.get("Content-Length"));
  for (let read = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(chunks);
    chunks.push(value as Uint8Array<ArrayBuffer>);
    read += value.length;
    report(row.name, read / total);
  }
}
