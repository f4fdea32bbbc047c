// Taking a photo with the camera, in a dialog.
import { byId } from "./controls";

/** The photo that was taken, or null. */
export async function takePhoto(): Promise<Blob | null> {
  const dialog = byId<HTMLDialogElement>("snapshot");
  const video = byId<HTMLVideoElement>("viewfinder");
  const problem = byId("camera-problem");
  const shoot = byId<HTMLButtonElement>("shoot");
  problem.textContent = "";
  shoot.disabled = true;
  dialog.showModal();
  let stream: MediaStream | null = null;
  const closed = new Promise<void>((done) => dialog.addEventListener("close", () => done(), { once: true }));
  const shot = new Promise<void>((done) => shoot.addEventListener("click", () => done(), { once: true }));
  byId("close-camera").addEventListener("click", () => dialog.close(), { once: true });
  try {
    if (!navigator.mediaDevices) throw new Error("insecure");
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } });
    video.srcObject = stream;
    await video.play();
    shoot.disabled = false;
  } catch (error) {
    problem.textContent =
      error instanceof Error && error.message === "insecure"
        ? "Browsers lend the camera to pages of this machine or over HTTPS only; open the page on localhost."
        : "The camera cannot be used. Allow it in the browser's settings for this page, or choose a photo.";
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
    stream?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    if (dialog.open) dialog.close();
  }
}
