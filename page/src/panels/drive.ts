// Another face moves the head: a photo, a clip, or the camera.
import { movement, Refusal, type SeenMovement } from "../api";
import { button, checkbox, element } from "../controls";
import type { Figure } from "../figure";
import { driven } from "../movement";

const LONGEST_SIDE = 480;
/** How much of a new movement is taken at once: less is smoother and later. */
const QUICKNESS = 0.6;

export class DrivePanel {
  readonly content: HTMLElement;
  private readonly parts = { pose: true, gaze: true };
  private readonly message = element("p", { class: "note", role: "status", "aria-live": "polite" });
  private readonly video = element("video", { playsinline: "", muted: "", class: "driver", "aria-label": "The clip that moves the head", hidden: "" });
  private readonly picture = element("img", { class: "driver", alt: "The photo that moves the head", hidden: "" });
  private readonly stop = button("Stop", () => this.end());
  private stream: MediaStream | null = null;
  private address: string | null = null;
  private running: AbortController | null = null;

  constructor(private readonly figure: Figure) {
    this.video.muted = true;
    this.stop.hidden = true;
    const photo = chooser("A photo …", "image/*,.heic,.heif", (file) => this.byPhoto(file));
    const clip = chooser("A clip …", "video/*", (file) => this.byClip(file));
    const camera = button("The camera", () => this.byCamera());
    this.content = element(
      "div",
      {},
      element("p", { class: "note" }, "Another face moves this head. Its pictures go to your own server and are not kept."),
      element("div", { class: "row" }, photo, clip, camera),
      checkbox("With the head's pose", true, (on) => (this.parts.pose = on)),
      checkbox("With the gaze", true, (on) => (this.parts.gaze = on)),
      this.picture,
      this.video,
      element("div", { class: "row" }, this.stop),
      this.message,
    );
  }

  /** Stop and let go of camera and clip. */
  end(): void {
    this.running?.abort();
    this.running = null;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.srcObject = null;
    this.video.hidden = true;
    this.picture.hidden = true;
    this.picture.removeAttribute("src");
    this.stop.hidden = true;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
  }

  private async byPhoto(file: File): Promise<void> {
    this.end();
    this.say("Looking at the photo …");
    try {
      const seen = await movement(file, file.name);
      this.address = URL.createObjectURL(file);
      this.picture.src = this.address;
      this.picture.hidden = false;
      this.figure.goTo(driven(this.figure.movement, seen, this.parts));
      this.say("The head has the photo's expression.");
    } catch (error) {
      this.complain(error);
    }
  }

  private async byClip(file: File): Promise<void> {
    this.end();
    this.address = URL.createObjectURL(file);
    this.video.src = this.address;
    this.video.loop = true;
    this.video.classList.remove("mirrored");
    await this.follow("this clip cannot be played by the browser; save it as MP4 (H.264) or WebM");
  }

  private async byCamera(): Promise<void> {
    this.end();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: 640 } });
    } catch {
      this.say("The camera cannot be used. Allow it in the browser's settings for this page.", true);
      return;
    }
    this.video.srcObject = this.stream;
    this.video.classList.add("mirrored");
    await this.follow("the camera gives no picture");
  }

  /** Send the newest frame as soon as the last one is answered. */
  private async follow(wrong: string): Promise<void> {
    const running = new AbortController();
    this.running = running;
    this.video.hidden = false;
    this.stop.hidden = false;
    this.say("Starting …");
    try {
      await this.video.play();
    } catch {
      if (this.running === running) {
        this.end();
        this.say(`Sorry: ${wrong}.`, true);
      }
      return;
    }
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d")!;
    let smooth: SeenMovement | null = null;
    let frames = 0;
    let since = performance.now();
    while (!running.signal.aborted) {
      const scale = Math.min(1, LONGEST_SIDE / Math.max(this.video.videoWidth, this.video.videoHeight));
      canvas.width = Math.round(this.video.videoWidth * scale);
      canvas.height = Math.round(this.video.videoHeight * scale);
      context.drawImage(this.video, 0, 0, canvas.width, canvas.height);
      const frame = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", 0.85));
      if (!frame || running.signal.aborted) return;
      try {
        const seen = await movement(frame, "this frame", running.signal);
        smooth = smooth ? smoothed(smooth, seen) : seen;
        this.figure.take(driven(this.figure.movement, smooth, this.parts));
        frames += 1;
        const seconds = (performance.now() - since) / 1000;
        if (seconds > 1) {
          this.say(`Following: ${Math.round(frames / seconds)} pictures a second.`);
          [frames, since] = [0, performance.now()];
        }
      } catch (error) {
        if (running.signal.aborted) return;
        if (!(error instanceof Refusal) || error.status === 0) {
          this.end();
          this.complain(error);
          return;
        }
        this.say(error.status === 422 ? "No face to be seen." : error.message);
        smooth = null;
        await new Promise((done) => setTimeout(done, 1000 * Math.max(0.2, error.retryAfter)));
      }
    }
  }

  private say(text: string, problem = false): void {
    this.message.textContent = text;
    this.message.classList.toggle("problem", problem);
  }

  private complain(error: unknown): void {
    this.say(error instanceof Error ? error.message : String(error), true);
  }
}

function smoothed(before: SeenMovement, seen: SeenMovement): SeenMovement {
  const mix = (a: number, b: number) => a + (b - a) * QUICKNESS;
  const result = structuredClone(seen);
  for (const name in result.expression) {
    // Blinks are quick: they are taken as they come.
    if (!name.startsWith("eyeBlink")) result.expression[name] = mix(before.expression[name]!, seen.expression[name]!);
  }
  for (let axis = 0; axis < 3; axis++) {
    result.pose[axis] = mix(before.pose[axis]!, seen.pose[axis]!);
    result.jaw[axis] = mix(before.jaw[axis]!, seen.jaw[axis]!);
    for (const eye of [0, 1] as const) result.eyes[eye][axis] = mix(before.eyes[eye][axis]!, seen.eyes[eye][axis]!);
  }
  return result;
}

function chooser(text: string, accept: string, chosen: (file: File) => void): HTMLElement {
  const input = element("input", { type: "file", accept, class: "hidden", tabindex: "-1", "aria-hidden": "true" });
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.value = "";
    if (file) chosen(file);
  });
  const made = button(text, () => input.click());
  return element("span", {}, made, input);
}
