// The 52 actions as people meet them: in groups, under readable names, and together as presets.

export const GROUPS: { title: string; begins: string[] }[] = [
  { title: "Brows", begins: ["brow"] },
  { title: "Eyes", begins: ["eyeBlink", "eyeSquint", "eyeWide"] },
  { title: "Gaze", begins: ["eyeLook"] },
  { title: "Cheeks and nose", begins: ["cheek", "nose"] },
  { title: "Jaw and tongue", begins: ["jaw", "tongue"] },
  { title: "Mouth", begins: ["mouth"] },
];

/** "mouthSmileLeft" as "Smile left", below the heading "Mouth". */
export function readable(name: string): string {
  const short = spoken(name).toLowerCase().replace(/^(mouth|eye look|eye|jaw) (?=.)/, "");
  return short.charAt(0).toUpperCase() + short.slice(1);
}

/** "mouthSmileLeft" as "Mouth smile left". */
export function spoken(name: string): string {
  const words = name.replace(/([A-Z])/g, " $1").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The same action of the other side; null for one that has no side. */
export function mirrored(name: string): string | null {
  if (name === "jawLeft" || name === "jawRight" || name === "mouthLeft" || name === "mouthRight") return null;
  if (name.endsWith("Left")) return name.slice(0, -4) + "Right";
  if (name.endsWith("Right")) return name.slice(0, -5) + "Left";
  return null;
}

type Weights = Record<string, number>;

function both(weights: Weights): Weights {
  return Object.fromEntries(Object.entries(weights).flatMap(([name, weight]) => [[`${name}Left`, weight], [`${name}Right`, weight]]));
}

/** Weights by preset; what a preset does not name is zero. */
export const PRESETS: { title: string; weights: Weights }[] = [
  { title: "Neutral", weights: {} },
  { title: "Smile", weights: both({ mouthSmile: 0.8, cheekSquint: 0.55, eyeSquint: 0.35, mouthDimple: 0.2, mouthUpperUp: 0.15 }) },
  {
    title: "Laugh",
    weights: { jawOpen: 0.45, ...both({ mouthSmile: 0.95, cheekSquint: 0.8, eyeSquint: 0.6, mouthUpperUp: 0.4, mouthLowerDown: 0.25 }) },
  },
  {
    title: "Surprise",
    weights: { browInnerUp: 0.9, jawOpen: 0.45, ...both({ browOuterUp: 0.9, eyeWide: 0.7 }) },
  },
  {
    title: "Anger",
    weights: { mouthShrugLower: 0.3, ...both({ browDown: 0.95, noseSneer: 0.5, eyeSquint: 0.4, mouthPress: 0.5, mouthFrown: 0.35 }) },
  },
  {
    title: "Sadness",
    weights: { browInnerUp: 0.9, mouthShrugLower: 0.45, ...both({ mouthFrown: 0.7, eyeBlink: 0.2, browDown: 0.15 }) },
  },
  {
    title: "Fear",
    weights: { browInnerUp: 0.9, jawOpen: 0.25, ...both({ browOuterUp: 0.5, eyeWide: 0.9, mouthStretch: 0.6 }) },
  },
  {
    title: "Disgust",
    weights: { mouthShrugUpper: 0.2, ...both({ noseSneer: 0.9, mouthUpperUp: 0.6, browDown: 0.5, eyeSquint: 0.5, mouthFrown: 0.25 }) },
  },
  { title: "Kiss", weights: { mouthPucker: 0.95, mouthFunnel: 0.1 } },
  { title: "Blink", weights: both({ eyeBlink: 1 }) },
  { title: "Wink", weights: { eyeBlinkLeft: 1, cheekSquintLeft: 0.6, mouthSmileLeft: 0.5, mouthSmileRight: 0.25 } },
];
