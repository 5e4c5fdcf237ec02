/** What the page is opened with: the table behind it, and the files that lie in it or at their server's addresses. */
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

/** The files of a role. */
export function sources(table: Table, role: Row["role"]): Source[] {
  return table.files
    .filter((row) => row.role === role)
    .map(({ name, gzip, size, ...row }) => {
      return { name, gzip, size, data: row.address ? new URL(row.address, location.href).href : inside(row) };
    });
}

function inside(row: Pick<Row, "inside" | "pieces">): Blob {
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
