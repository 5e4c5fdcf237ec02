/** One photo from the camera. */
import { byId, within } from "./dom";
import { PageError } from "./errors";
import type { Photo } from "./photos";

/** Show what the camera sees until a photo is taken, or not; then the camera is off again. */
export async function takePhoto(): Promise<Photo[]> {
  const stream = await openCamera();
  const dialog = byId<HTMLDialogElement>("camera");
  const video = within<HTMLVideoElement>(dialog, "video");
  const take = within<HTMLButtonElement>(dialog, "button.main");
  try {
    take.disabled = true; // there is no picture yet
    video.onplaying = () => (take.disabled = false);
    video.srcObject = stream;
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (dialog.returnValue !== "take") return [];
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    return [{ name: "camera.png", blob: await canvas.convertToBlob() }];
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}

const REASONS: Record<string, string> = {
  NotAllowedError: "this page may not use the camera; allow it beside the address, or choose a photo.",
  NotFoundError: "there is no camera here; choose a photo.",
  NotReadableError: "the camera is there and gives no picture; close what else uses it, or choose a photo.",
};

async function openCamera(): Promise<MediaStream> {
  // Absent where a page comes from another machine without HTTPS.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!devices) throw new PageError("Camera: browsers give it to a page from this machine or over HTTPS alone; choose a photo.");
  try {
    return await devices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    throw new PageError(`Camera: ${REASONS[name] ?? `${String(error)}; choose a photo.`}`);
  }
}
