// The camera, and taking a photo with it in a dialog.
import { byId } from "./controls";

/** What the camera sees, about so many pixels wide; an Error that says what to do where it cannot be had. */
export async function openCamera(width: number): Promise<MediaStream> {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers lend the camera to pages of this machine or over HTTPS only; open the page on localhost.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: width } } });
  } catch (error) {
    const reasons: Record<string, string> = {
      NotAllowedError: "The camera may not be used: allow it in the browser's settings for this page.",
      NotFoundError: "This machine has no camera.",
    };
    const name = error instanceof DOMException ? error.name : "";
    throw new Error(reasons[name] ?? "The camera gives no picture; another program may be using it.");
  }
}

export function closeCamera(stream: MediaStream | null): void {
  stream?.getTracks().forEach((track) => track.stop());
}

/** The photo that was taken, or null. */
export async function takePhoto(): Promise<Blob | null> {
  const dialog = byId<HTMLDialogElement>("snapshot");
  const video = byId<HTMLVideoElement>("viewfinder");
  const problem = byId("camera-problem");
  const shoot = byId<HTMLButtonElement>("shoot");
  problem.textContent = "";
  shoot.disabled = true;
  dialog.showModal();
  const over = new AbortController();
  const once = { once: true, signal: over.signal };
  const closed = new Promise<void>((done) => dialog.addEventListener("close", () => done(), once));
  const shot = new Promise<void>((done) => shoot.addEventListener("click", () => done(), once));
  byId("close-camera").addEventListener("click", () => dialog.close(), once);
  let stream: MediaStream | null = null;
  try {
    stream = await openCamera(1280);
    video.srcObject = stream;
    await video.play();
    shoot.disabled = false;
  } catch (error) {
    problem.textContent = (error as Error).message;
  }
  try {
    await Promise.race([shot, closed]);
    if (!dialog.open || !video.videoWidth) return null;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d")!.drawImage(video, 0, 0);
    return await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  } finally {
    over.abort();
    closeCamera(stream);
    video.srcObject = null;
    if (dialog.open) dialog.close();
  }
}
