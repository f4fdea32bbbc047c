// The wrinkles that an expression adds, decoded as fast as they come and never more than one at a time.
import type * as THREE from "three";
import type { DecoderInput } from "./head";
import { changeTexture } from "./slopes";
import type { Moves, Person, Reply } from "./wrinkles.worker";

/** Marks an update in the browser's timeline. */
const MARK = "wrinkles";

export class Wrinkles {
  readonly texture: THREE.DataTexture = changeTexture();
  private worker: Worker | null = null;
  private busy = false;
  private decoding = false;
  private next: Moves | null = null;

  /** `changed` is called after every update of the texture, `failed` when decoding has to be given up. */
  constructor(
    private readonly changed: () => void,
    private readonly failed: (reason: string) => void,
  ) {}

  /** Decode for this person from now on; null for one whose wrinkles stay as they are. */
  setPerson(source: DecoderInput | null): void {
    this.next = null;
    (this.texture.image.data as unknown as Uint16Array).fill(0);
    this.texture.needsUpdate = true;
    this.decoding = source !== null;
    // The worker stays for the next head: the network is large.
    if (source === null) return;
    if (this.worker === null) {
      this.worker = new Worker(new URL("./wrinkles.worker.ts", import.meta.url), { type: "module", name: "wrinkles" });
      this.worker.onmessage = (event: MessageEvent<Reply>) => this.take(event.data);
      this.worker.onerror = (event) => this.giveUp(event.message);
    }
    this.worker.postMessage({ kind: "person", ...source } satisfies Person);
  }

  /** Ask for the wrinkles of a movement; of several asked for while one is decoded, the last counts. */
  show(moves: { jaw: Float32Array; expression: Float32Array }): void {
    this.next = { kind: "moves", ...moves };
    this.send();
  }

  private send(): void {
    if (this.worker === null || !this.decoding || this.busy || this.next === null) return;
    this.busy = true;
    this.worker.postMessage(this.next);
    this.next = null;
  }

  private take(reply: Reply): void {
    if (reply.kind === "failed") {
      this.giveUp(reply.reason);
      return;
    }
    this.busy = false;
    if (!this.decoding) return;
    (this.texture.image.data as unknown as Uint16Array).set(reply.slopes);
    this.texture.needsUpdate = true;
    // The last one alone: the browser would keep them all.
    performance.clearMarks(MARK);
    performance.mark(MARK);
    this.changed();
    this.send();
  }

  private giveUp(reason: string): void {
    this.worker?.terminate();
    this.worker = null;
    this.busy = false;
    this.failed(reason);
  }
}
