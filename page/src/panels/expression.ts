// Presets and the actions.
import { button, checkbox, element, Slider } from "../controls";
import { capitalised, grouped, mirrored, readable, spoken, strengths } from "../expressions";
import type { Figure } from "../figure";

const hundredths = (value: number) => value.toFixed(2);

export function expressionPanel(figure: Figure, presets: Record<string, Record<string, number>>): HTMLElement {
  const { names, hasActions } = figure.head;
  let linked = true;
  const sliders = new Map<string, Slider>();
  for (const name of names) {
    sliders.set(
      name,
      new Slider({
        label: readable(name),
        name: spoken(name),
        // Actions are on or off; components are deviations.
        min: hasActions ? 0 : -3,
        max: hasActions ? 1 : 3,
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

  const take = (preset: Record<string, number>) => {
    const movement = structuredClone(figure.movement);
    movement.joints.jaw = [0, 0, 0];
    movement.expression = strengths(preset, names);
    figure.goTo(movement);
  };
  const shownPresets = Object.entries(presets).filter(([, preset]) => hasActions || !Object.keys(preset).length);
  const chips = element(
    "div",
    { class: "chips", role: "group", "aria-label": "Presets" },
    button("As in the photo", () => figure.goTo(figure.head.start())),
    ...shownPresets.map(([name, preset]) => button(capitalised(name), () => take(preset))),
  );

  const groups = [...grouped(names)].map(([title, members]) =>
    element("details", { open: "" }, element("summary", {}, title), ...members.map((name) => sliders.get(name)!.row)),
  );
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
  return element("div", {}, chips, element("div", { class: "search" }, search, both), ...groups, none);
}
