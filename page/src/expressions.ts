// The head's actions as people meet them: in groups, under readable names, and together as presets.

const GROUPS: { title: string; begins: string[] }[] = [
  { title: "Brows", begins: ["brow"] },
  { title: "Eyes", begins: ["eyeBlink", "eyeSquint", "eyeWide"] },
  { title: "Gaze", begins: ["eyeLook"] },
  { title: "Cheeks and nose", begins: ["cheek", "nose"] },
  { title: "Jaw and tongue", begins: ["jaw", "tongue"] },
  { title: "Mouth", begins: ["mouth"] },
  // Heads such as FLAME have components in place of actions.
  { title: "Components", begins: [""] },
];

/** Names by the title of their group; groups without any are left out. */
export function grouped(names: readonly string[]): Map<string, string[]> {
  const groupOf = (name: string) => GROUPS.find(({ begins }) => begins.some((beginning) => name.startsWith(beginning)))!.title;
  const found = GROUPS.map(({ title }) => [title, names.filter((name) => groupOf(name) === title)] as const);
  return new Map(found.filter(([, members]) => members.length));
}

/** "mouthSmileLeft" as "Smile left", below the heading "Mouth". */
export function readable(name: string): string {
  return capitalised(spoken(name).toLowerCase().replace(/^(mouth|eye look|eye|jaw) (?=.)/, ""));
}

/** "mouthSmileLeft" as "Mouth smile left". */
export function spoken(name: string): string {
  return capitalised(name.replace(/([A-Z])/g, " $1").replaceAll("_", " ").toLowerCase());
}

export function capitalised(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The same action of the other side; null for one that has no side. */
export function mirrored(name: string): string | null {
  if (name === "jawLeft" || name === "jawRight" || name === "mouthLeft" || name === "mouthRight") return null;
  if (name.endsWith("Left")) return name.slice(0, -4) + "Right";
  if (name.endsWith("Right")) return name.slice(0, -5) + "Left";
  return null;
}

/** A preset's strength of every action; one that it names without a side stands for both. */
export function strengths(preset: Record<string, number>, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, preset[name] ?? preset[name.replace(/(Left|Right)$/, "")] ?? 0]));
}
