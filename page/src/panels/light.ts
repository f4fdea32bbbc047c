// Lamps, or the light that was estimated from the photo.
import { checkbox, element, Slider } from "../controls";
import type { Lamp, Stage } from "../stage";

/** Kept from head to head. */
const lamp: Lamp = { azimuth: -35, elevation: 35, strength: 1 };
let fill = 1;
let fromPhoto = false;

export function lightPanel(stage: Stage): HTMLElement {
  const degrees = (value: number) => `${Math.round(value)}°`;
  const percent = (value: number) => `${Math.round(100 * value)} %`;
  const slider = (label: string, key: keyof Lamp, min: number, max: number, step: number, rest: number) => {
    const made = new Slider({
      label,
      min,
      max,
      step,
      rest,
      shown: key === "strength" ? percent : degrees,
      changed: (value) => {
        lamp[key] = value;
        stage.setLamp(lamp);
      },
    });
    made.value = lamp[key];
    return made.row;
  };
  const sky = new Slider({
    label: "Light from everywhere",
    min: 0,
    max: 2,
    step: 0.01,
    rest: 1,
    shown: percent,
    changed: (value) => {
      fill = value;
      stage.setFill(fill);
    },
  });
  sky.value = fill;
  const lamps = element(
    "fieldset",
    { class: "group" },
    element("legend", {}, "Lamp"),
    slider("From the left or right", "azimuth", -120, 120, 1, -35),
    slider("From above or below", "elevation", -60, 85, 1, 35),
    slider("Strength", "strength", 0, 2, 0.01, 1),
    sky.row,
  );
  const apply = (on: boolean) => {
    fromPhoto = on;
    lamps.disabled = on;
    stage.setPhotoLight(on);
  };
  stage.setLamp(lamp);
  stage.setFill(fill);
  apply(fromPhoto);
  const own = checkbox("The photo's own light", fromPhoto, apply);
  const note = "As it was estimated from the photo, in nine spherical harmonics.";
  return element("div", {}, own, element("p", { class: "note" }, note), lamps);
}
