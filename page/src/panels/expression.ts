// Presets and the 52 actions.
import { button, checkbox, element, Slider } from "../controls";
import { GROUPS, mirrored, PRESETS, readable, spoken } from "../expressions";
import type { Figure } from "../figure";

const hundredths = (value: number) => value.toFixed(2);

export function expressionPanel(figure: Figure): HTMLElement {
  let linked = true;
  const sliders = new Map<string, Slider>();
  for (const name of figure.head.names) {
    sliders.set(
      name,
      new Slider({
        label: readable(name),
        name: spoken(name),
        min: 0,
        max: 1,
        step: 0.01,
        rest: 0,
        shown: hundredths,
        changed: (value) => {
          const other = linked ? mirrored(name) : null;
          figure.change((movement) => {
            movement.expression[name] = value;
            if (other) movement.expression[other] = value;
          });
          if (other) sliders.get(other)!.value = value;
        },
      }),
    );
  }
  const show = () => {
    for (const [name, slider] of sliders) slider.value = figure.movement.expression[name] ?? 0;
  };
  figure.onChange(show);
  show();

  const preset = (weights: Record<string, number>) => {
    const movement = figure.rest();
    movement.joints = structuredClone(figure.movement.joints);
    movement.joints.jaw = [0, 0, 0];
    Object.assign(movement.expression, weights);
    figure.goTo(movement);
  };
  const presets = element(
    "div",
    { class: "chips", role: "group", "aria-label": "Presets" },
    button("As in the photo", () => figure.goTo(figure.head.start())),
    ...PRESETS.map(({ title, weights }) => button(title, () => preset(weights))),
  );

  const groups = GROUPS.map(({ title, begins }) => {
    const rows = figure.head.names
      .filter((name) => begins.some((beginning) => name.startsWith(beginning)))
      .map((name) => sliders.get(name)!.row);
    return element("details", { open: "" }, element("summary", {}, title), ...rows);
  }).filter((group) => group.querySelector(".slider"));
  const none = element("p", { class: "note", hidden: "" }, "No action has such a name.");
  const search = element("input", { type: "search", placeholder: "Find an action", "aria-label": "Find an action" });
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const [name, { row }] of sliders) {
      const text = `${name} ${readable(name)} ${row.closest("details")?.firstChild?.textContent}`.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) found += 1;
    }
    for (const group of groups) {
      group.hidden = !group.querySelector(".slider:not([hidden])");
      if (words.length) group.open = true;
    }
    none.hidden = found > 0;
  });
  const both = checkbox("Both sides together", linked, (on) => {
    linked = on;
  });
  return element("div", {}, presets, element("div", { class: "search" }, search, both), ...groups, none);
}
