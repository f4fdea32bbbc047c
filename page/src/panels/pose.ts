// Head, neck, gaze and jaw: what the joints turn.
import { button, element, Slider } from "../controls";
import type { Figure } from "../figure";
import type { Joint, Movement } from "../movement";

const DEGREE = Math.PI / 180;
const degrees = (value: number) => `${Math.round(value)}°`;

interface Turn {
  group: string;
  label: string;
  joints: Joint[];
  axis: 0 | 1 | 2;
  range: number;
  least?: number;
}

const TURNS: Turn[] = [
  { group: "Head", label: "Turn", joints: ["root"], axis: 1, range: 60 },
  { group: "Head", label: "Nod", joints: ["root"], axis: 0, range: 40 },
  { group: "Head", label: "Tilt", joints: ["root"], axis: 2, range: 40 },
  { group: "Neck", label: "Turn", joints: ["neck"], axis: 1, range: 50 },
  { group: "Neck", label: "Nod", joints: ["neck"], axis: 0, range: 35 },
  { group: "Neck", label: "Tilt", joints: ["neck"], axis: 2, range: 30 },
  { group: "Gaze", label: "Left and right", joints: ["left_eye", "right_eye"], axis: 1, range: 30 },
  { group: "Gaze", label: "Up and down", joints: ["left_eye", "right_eye"], axis: 0, range: 22 },
  { group: "Jaw", label: "Open", joints: ["jaw"], axis: 0, range: 25, least: -2 },
  { group: "Jaw", label: "Sideways", joints: ["jaw"], axis: 1, range: 8 },
];

export function posePanel(figure: Figure): HTMLElement {
  const value = (turn: Turn, movement: Movement) =>
    turn.joints.reduce((sum, joint) => sum + movement.joints[joint][turn.axis]!, 0) / turn.joints.length / DEGREE;
  const sliders = TURNS.map((turn) => ({
    turn,
    slider: new Slider({
      label: turn.label,
      name: `${turn.group}: ${turn.label}`,
      min: turn.least ?? -turn.range,
      max: turn.range,
      step: 0.5,
      rest: 0,
      shown: degrees,
      changed: (angle) =>
        figure.change((movement) => {
          // Both eyes keep what they turn towards each other.
          const change = angle * DEGREE - value(turn, movement) * DEGREE;
          for (const joint of turn.joints) movement.joints[joint][turn.axis]! += change;
        }),
    }),
  }));
  const show = () => {
    for (const { turn, slider } of sliders) slider.value = value(turn, figure.movement);
  };
  figure.onChange(show);
  show();
  const groups = [...new Set(TURNS.map((turn) => turn.group))].map((group) =>
    element(
      "section",
      { class: "group", role: "group", "aria-label": group },
      element("h3", {}, group),
      ...sliders.filter(({ turn }) => turn.group === group).map(({ slider }) => slider.row),
    ),
  );
  const straight = () => {
    const movement = structuredClone(figure.movement);
    movement.joints = figure.rest().joints;
    figure.goTo(movement);
  };
  const asInPhoto = () => {
    const movement = structuredClone(figure.movement);
    movement.joints = figure.head.start().joints;
    figure.goTo(movement);
  };
  const chips = element(
    "div",
    { class: "chips" },
    button("Straight ahead", straight),
    button("As in the photo", asInPhoto),
  );
  return element("div", {}, chips, ...groups);
}
