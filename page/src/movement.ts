// How a head is moved: the weights of its actions, and what its joints turn beyond them.
import type { SeenMovement, Vector } from "./api";

export const JOINTS = ["root", "neck", "jaw", "left_eye", "right_eye"] as const;
export type Joint = (typeof JOINTS)[number];

export interface Movement {
  /** Weights by action, in [0, 1]. */
  expression: Record<string, number>;
  /** Axis-angle, radians: x nods, y turns to the subject's left, z tilts. */
  joints: Record<Joint, Vector>;
}

export function atRest(names: readonly string[]): Movement {
  return {
    expression: Object.fromEntries(names.map((name) => [name, 0])),
    joints: { root: [0, 0, 0], neck: [0, 0, 0], jaw: [0, 0, 0], left_eye: [0, 0, 0], right_eye: [0, 0, 0] },
  };
}

export function copied(movement: Movement): Movement {
  return structuredClone(movement);
}

/** Partway from one movement to another; rotations are small enough to be mixed as vectors. */
export function between(from: Movement, to: Movement, share: number): Movement {
  const mix = (a: number, b: number) => a + (b - a) * share;
  const result = copied(to);
  for (const name in to.expression) result.expression[name] = mix(from.expression[name] ?? 0, to.expression[name]!);
  for (const joint of JOINTS) {
    result.joints[joint] = to.joints[joint].map((value, axis) => mix(from.joints[joint][axis]!, value)) as Vector;
  }
  return result;
}

/** The movement seen in a picture, carried out on `base`, which keeps what is not asked for. */
export function driven(base: Movement, seen: SeenMovement, parts: { pose: boolean; gaze: boolean }): Movement {
  const result = copied(base);
  for (const name in result.expression) {
    if (parts.gaze || !name.startsWith("eyeLook")) result.expression[name] = seen.expression[name] ?? 0;
  }
  result.joints.jaw = seen.jaw;
  if (parts.gaze) [result.joints.left_eye, result.joints.right_eye] = seen.eyes;
  if (parts.pose) result.joints.root = seen.pose;
  return result;
}
