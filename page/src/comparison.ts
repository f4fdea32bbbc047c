// The head laid over the photo that it was made from.
import { byId } from "./controls";
import type { Figure } from "./figure";
import type { Stage } from "./stage";

export class Comparison {
  private readonly photo = byId<HTMLImageElement>("photo");
  private readonly wipe = byId<HTMLInputElement>("wipe");
  private readonly button = byId<HTMLButtonElement>("compare");
  private readonly canvas = byId<HTMLCanvasElement>("canvas");
  private figure: Figure | null = null;

  constructor(
    private readonly stage: Stage,
    /** Called before the head is put as it is in the photo. */
    private readonly begins: () => void,
    private readonly tell: (text: string) => void,
  ) {
    const own = byId<HTMLInputElement>("own-photo");
    this.button.addEventListener("click", () => {
      if (!this.photo.hidden) this.stop();
      else if (this.photo.hasAttribute("src")) this.start();
      // `deca reconstruct` keeps no photo: whoever has it can show it.
      else own.click();
    });
    own.addEventListener("change", () => {
      const chosen = own.files?.[0];
      own.value = "";
      if (chosen) void this.take(chosen);
    });
    this.wipe.addEventListener("input", () => this.showWipe());
    this.canvas.addEventListener("stage-resized", () => {
      if (!this.photo.hidden) this.layPhoto();
    });
  }

  /** Compare this figure from now on, with the photo at an address if there is one. */
  setFigure(figure: Figure | null, address: string | null): void {
    this.stop();
    this.figure = figure;
    if (address) this.photo.src = address;
    else this.photo.removeAttribute("src");
  }

  stop(): void {
    this.photo.hidden = true;
    byId("wipe-label").hidden = true;
    byId("stage").classList.remove("comparing");
    this.button.setAttribute("aria-pressed", "false");
    this.canvas.style.clipPath = "";
    this.stage.compare(false);
  }

  private start(): void {
    if (!this.figure) return;
    this.begins();
    // What was said of a photo tried before is over, and would lie on this one.
    this.tell("");
    this.figure.goTo(this.figure.head.start());
    this.photo.hidden = false;
    byId("wipe-label").hidden = false;
    byId("stage").classList.add("comparing");
    this.button.setAttribute("aria-pressed", "true");
    this.layPhoto();
    this.showWipe();
    this.wipe.focus({ preventScroll: true });
  }

  private async take(file: File): Promise<void> {
    const figure = this.figure;
    if (!figure) return;
    const address = URL.createObjectURL(file);
    this.photo.src = address;
    try {
      await this.photo.decode();
      if (figure !== this.figure) return;
      const { width, height } = figure.head.photo;
      if (Math.abs(this.photo.naturalWidth / this.photo.naturalHeight - width / height) > 0.01) {
        throw new Error(`This is another photo: the head was made of one of ${width} × ${height} pixels.`);
      }
      this.start();
    } catch (error) {
      if (figure !== this.figure) return;
      this.photo.removeAttribute("src");
      this.tell(error instanceof DOMException ? `${file.name} cannot be shown by the browser.` : (error as Error).message);
    } finally {
      // The picture is decoded; its address is not needed any more.
      URL.revokeObjectURL(address);
    }
  }

  private layPhoto(): void {
    const place = this.stage.compare(true);
    if (!place) return;
    for (const [name, pixels] of Object.entries(place)) this.photo.style.setProperty(name, `${pixels}px`);
  }

  private showWipe(): void {
    this.canvas.style.clipPath = `inset(0 0 0 ${this.wipe.value}%)`;
    byId("stage").style.setProperty("--wipe", `${this.wipe.value}%`);
  }
}
