// Another face moves the head: a photo, a clip, or the camera.
import { movement, Refusal, type SeenMovement } from "../api";
import { closeCamera, openCamera } from "../camera";
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
  private readonly rate = element("p", { class: "note" });
  private readonly video = element("video", { playsinline: "", class: "driver", "aria-label": "The clip that moves the head", hidden: "" });
  private readonly picture = element("img", { class: "driver", alt: "The photo that moves the head", hidden: "" });
  private readonly stop = button("Stop", () => this.end());
  private stream: MediaStream | null = null;
  private address: string | null = null;
  private running = new AbortController();

  constructor(private readonly figure: Figure) {
    this.video.muted = true;
    this.stop.hidden = true;
    // What the browser cannot show, such as HEIC, still moves the head.
    this.picture.addEventListener("error", () => (this.picture.hidden = true));
    if (!figure.head.hasActions) {
      this.content = element("p", { class: "note" }, "This head has components of expression in place of facial actions: another face cannot move it here.");
      return;
    }
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
      this.rate,
    );
  }

  /** Stop and let go of camera and clip. */
  end(): void {
    this.running.abort();
    closeCamera(this.stream);
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
    this.say("");
  }

  /** End what moves the head; returns by what the next one knows that it was ended in turn. */
  private begin(): AbortSignal {
    this.end();
    this.running = new AbortController();
    return this.running.signal;
  }

  private async byPhoto(file: File): Promise<void> {
    const ended = this.begin();
    this.say("Looking at the photo …");
    try {
      const seen = await movement(file, file.name, ended);
      this.address = URL.createObjectURL(file);
      this.picture.src = this.address;
      this.picture.hidden = false;
      this.figure.goTo(driven(this.figure.movement, seen, this.parts));
      this.say("The head has the photo's expression.");
    } catch (error) {
      if (!ended.aborted) this.complain(error);
    }
  }

  private async byClip(file: File): Promise<void> {
    const ended = this.begin();
    this.address = URL.createObjectURL(file);
    this.video.src = this.address;
    this.video.loop = true;
    this.video.classList.remove("mirrored");
    await this.follow(ended, `${file.name} cannot be played by the browser; save it as MP4 (H.264) or WebM.`);
  }

  private async byCamera(): Promise<void> {
    const ended = this.begin();
    this.say("Waiting for the camera …");
    let stream: MediaStream;
    try {
      stream = await openCamera(640);
    } catch (error) {
      if (!ended.aborted) this.complain(error);
      return;
    }
    if (ended.aborted) {
      closeCamera(stream);
      return;
    }
    this.stream = stream;
    this.video.srcObject = stream;
    this.video.classList.add("mirrored");
    await this.follow(ended, "The camera gives no picture; another program may be using it.");
  }

  /** Send the newest frame of the video as soon as the last one is answered; `wrong` says that it does not play. */
  private async follow(ended: AbortSignal, wrong: string): Promise<void> {
    this.video.hidden = false;
    this.stop.hidden = false;
    this.say("Starting …");
    try {
      await this.video.play();
      if (!this.video.videoWidth) throw new Error("sound alone");
    } catch {
      if (!ended.aborted) this.fail(new Error(wrong));
      return;
    }
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d")!;
    let smooth: SeenMovement | null = null;
    let frames = 0;
    let since = 0;
    while (!ended.aborted) {
      const scale = Math.min(1, LONGEST_SIDE / Math.max(this.video.videoWidth, this.video.videoHeight));
      canvas.width = Math.round(this.video.videoWidth * scale);
      canvas.height = Math.round(this.video.videoHeight * scale);
      context.drawImage(this.video, 0, 0, canvas.width, canvas.height);
      const frame = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", 0.85));
      if (ended.aborted) return;
      if (!frame || this.video.error) {
        this.fail(new Error(wrong));
        return;
      }
      try {
        const seen = await movement(frame, "this frame", ended);
        if (!smooth) {
          this.say("Following the face.");
          // The first answer takes longer: the server loads its networks.
          [frames, since] = [0, performance.now()];
        }
        smooth = smooth ? smoothed(smooth, seen) : seen;
        this.figure.take(driven(this.figure.movement, smooth, this.parts));
        const seconds = (performance.now() - since) / 1000;
        if (seconds > 1) {
          this.showRate(frames / seconds);
          [frames, since] = [0, performance.now()];
        }
        frames += 1;
      } catch (error) {
        if (ended.aborted) return;
        if (!(error instanceof Refusal) || error.status === 0) {
          this.fail(error);
          return;
        }
        this.say(error.status === 422 ? "No face to be seen." : error.message);
        smooth = null;
        await new Promise((done) => setTimeout(done, 1000 * Math.max(0.2, error.retryAfter)));
      }
    }
  }

  private showRate(rate: number): void {
    this.rate.textContent = `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} pictures a second`;
  }

  private fail(error: unknown): void {
    this.end();
    this.complain(error);
  }

  private say(text: string, problem = false): void {
    this.rate.textContent = "";
    if (this.message.textContent !== text) this.message.textContent = text;
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
