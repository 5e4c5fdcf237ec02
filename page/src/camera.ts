/** One photo from the camera. */
import { byId, within } from "./dom";
import { PageError } from "./errors";

export async function takePhoto(): Promise<{ name: string; blob: Blob }[]> {
  const stream = await openCamera();
  const dialog = byId<HTMLDialogElement>("camera");
  const video = within<HTMLVideoElement>(dialog, "video");
  try {
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

async function openCamera(): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    const denied = error instanceof DOMException && error.name === "NotAllowedError";
    throw new PageError(denied ? "The browser does not allow this page the camera." : "There is no camera that this page could use.");
  }
}
