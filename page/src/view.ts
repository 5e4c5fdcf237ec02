/** What the two views have in common, and what they may ask of the page. */
import type { Client } from "./client";
import type { ColourMap } from "./colours";
import type { ModelFacts, SceneFacts } from "./engine";
import type { Size } from "./prepare";

export interface Shown {
  client: Client;
  model: ModelFacts;
  scene: SceneFacts;
  photo: ImageBitmap;
}

export interface Page {
  colours: ColourMap[];
  say(text: string): void;
  facts(text: string): void;
  failed(error: unknown): void;
}

/** A key with what it does; the same table handles it and explains it. */
export type Key = [keys: string[], help: string, action: (key: string) => void];

/** What a view has to save. */
export interface Saved {
  name: string; // behind the photo's
  values: Float32Array;
  size: Size;
  picture: () => Promise<Blob>;
  kind: "depth" | "norms";
}

export interface View {
  keys: Key[];
  show(shown: Shown): void;
  resize(): void;
  saved(): Promise<Saved>;
}
