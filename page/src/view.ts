/** What the two views have in common, and what they may ask of the page. */
import type { ColourMap } from "./colours";
import type { SceneFacts } from "./engine";
import type { OpenModel } from "./models";
import type { Photo } from "./photos";
import type { Size } from "./resize";
import type { Status } from "./status";

/** A photo through a model, and everything that has come of it. */
export interface Shown {
  model: OpenModel;
  photo: Photo;
  side: number; // image size that was asked for
  bitmap: ImageBitmap;
  scene: SceneFacts;
}

export interface Page {
  colours: ColourMap[];
  status: Status;
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
