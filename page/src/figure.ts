// The head on the stage and how it is moved: the one place that all panels change, and that tells them of changes.
import type { Head } from "./head";
import { atRest, between, copied, type Movement } from "./movement";
import type { Stage } from "./stage";

const TRANSITION_MS = 320;

export class Figure {
  private current: Movement;
  private readonly listeners = new Set<() => void>();
  private animation = 0;

  constructor(
    readonly head: Head,
    private readonly stage: Stage,
  ) {
    this.current = head.start();
    stage.move(this.current);
  }

  get movement(): Movement {
    return this.current;
  }

  /** Called after every change that was not made by the listener's own control. */
  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  /** Change some of the movement, from a control that shows its value already. */
  change(edit: (movement: Movement) => void): void {
    cancelAnimationFrame(this.animation);
    const next = copied(this.current);
    edit(next);
    this.current = next;
    this.stage.move(next);
  }

  /** Take a movement at once, and show it in all controls. */
  take(movement: Movement): void {
    cancelAnimationFrame(this.animation);
    this.show(movement);
  }

  /** Go over to a movement. */
  goTo(movement: Movement): void {
    cancelAnimationFrame(this.animation);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.show(movement);
      return;
    }
    const from = this.current;
    const began = performance.now();
    const step = (now: number) => {
      const time = Math.min(1, Math.max(0, (now - began) / TRANSITION_MS));
      this.show(time === 1 ? movement : between(from, movement, time * time * (3 - 2 * time)));
      if (time < 1) this.animation = requestAnimationFrame(step);
    };
    this.animation = requestAnimationFrame(step);
  }

  rest(): Movement {
    return atRest(this.head.names);
  }

  private show(movement: Movement): void {
    this.current = movement;
    this.stage.move(movement);
    for (const listener of this.listeners) listener();
  }
}
