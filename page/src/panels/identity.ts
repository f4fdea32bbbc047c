// The first components of shape: another person with the same skin.
import { button, element, Slider } from "../controls";
import type { Figure } from "../figure";
import type { Stage } from "../stage";

export function identityPanel(figure: Figure, stage: Stage): HTMLElement {
  const reconstructed = figure.head.shape;
  const coefficients = Float32Array.from(reconstructed);
  const sliders = Array.from(
    coefficients,
    (value, index) =>
      new Slider({
        label: `Component ${index + 1}`,
        min: -4,
        max: 4,
        step: 0.05,
        rest: Math.round(value * 20) / 20,
        shown: (deviations) => deviations.toFixed(2),
        changed: (deviations) => {
          coefficients[index] = deviations;
          stage.setShape(coefficients);
        },
      }),
  );
  const set = (values: ArrayLike<number>) => {
    sliders.forEach((slider, index) => {
      coefficients[index] = values[index]!;
      slider.value = values[index]!;
    });
    stage.setShape(coefficients);
  };
  const exaggerated = (factor: number) => set(reconstructed.map((value) => Math.max(-4, Math.min(4, factor * value))));
  const chips = element(
    "div",
    { class: "chips" },
    button("Reconstructed", () => set(reconstructed)),
    button("Average", () => exaggerated(0)),
    button("Caricature", () => exaggerated(2)),
  );
  const note =
    "The ten directions in which heads differ most, in standard deviations from the average. Texture, wrinkles and the rest of the shape stay this person's.";
  return element("div", {}, chips, element("p", { class: "note" }, note), ...sliders.map((slider) => slider.row));
}
