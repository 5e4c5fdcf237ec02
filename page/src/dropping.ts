/** Files that are dropped or pasted, and what they are. */
import { byId } from "./dom";
import { PageError } from "./errors";

/** Models and what belongs to them, and photos. */
export function sorted(files: File[]): { models: File[]; photos: File[] } {
  const models = files.filter((file) => /\.(onnx|data)$/i.test(file.name));
  const photos = files.filter((file) => !models.includes(file));
  const checkpoint = photos.find((file) => /\.(pth|pt|safetensors|ckpt|bin)$/i.test(file.name));
  if (checkpoint) throw new PageError(`${checkpoint.name}: this is a checkpoint; make a model of it with dptscope export first.`);
  return { models, photos };
}

/** Whether all of them only belong to a model. */
export function belongToAModel(names: string[]): boolean {
  return names.every((name) => /\.(fusion|preview)\b[^.]*\.onnx(\.data)?$/i.test(name));
}

export function receiveFiles(take: (files: File[]) => void): void {
  const area = byId("drop");
  const wanted = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragover", (event) => {
    if (!wanted(event)) return;
    event.preventDefault();
    area.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) area.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    area.hidden = true;
    if (!wanted(event)) return;
    event.preventDefault();
    take([...(event.dataTransfer?.files ?? [])]);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) take(files);
  });
}
