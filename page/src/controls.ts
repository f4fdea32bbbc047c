// The parts that panels are made of.

type Child = Node | string;

/** An element with attributes (a null one is left out) and children. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string | null> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function byId<Type extends HTMLElement = HTMLElement>(id: string): Type {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found as Type;
}

export function button(text: string, pressed: () => void, kind = ""): HTMLButtonElement {
  const made = element("button", { type: "button", class: kind || null }, text);
  made.addEventListener("click", pressed);
  return made;
}

export interface SliderOptions {
  label: string;
  /** What it is called where its heading is not seen. */
  name?: string;
  min: number;
  max: number;
  step: number;
  /** Where a double click takes it. */
  rest: number;
  shown: (value: number) => string;
  changed: (value: number) => void;
}

let count = 0;

/** A labelled slider with its value. */
export class Slider {
  readonly row: HTMLElement;
  private readonly input: HTMLInputElement;
  private readonly output: HTMLOutputElement;

  constructor(private readonly options: SliderOptions) {
    const { label, min, max, step } = options;
    this.input = element("input", { type: "range", min: String(min), max: String(max), step: String(step) });
    this.output = element("output", { "aria-hidden": "true" });
    this.input.id = `slider-${count++}`;
    if (options.name) this.input.setAttribute("aria-label", options.name);
    // The value is a labelable element too: a label around both would be the value's.
    const title = element("label", { for: this.input.id }, label);
    this.row = element("div", { class: "slider" }, title, this.output, this.input);
    this.input.addEventListener("input", () => {
      this.show(this.value);
      options.changed(this.value);
    });
    this.row.addEventListener("dblclick", () => {
      this.value = options.rest;
      options.changed(options.rest);
    });
    this.value = options.rest;
  }

  get value(): number {
    return this.input.valueAsNumber;
  }

  set value(value: number) {
    this.input.valueAsNumber = value;
    this.show(value);
  }

  private show(value: number): void {
    const { min, max, shown } = this.options;
    this.output.value = shown(value);
    this.input.setAttribute("aria-valuetext", shown(value));
    const share = (Math.min(Math.max(value, min), max) - min) / (max - min);
    this.input.style.setProperty("--share", `${100 * share}%`);
    this.row.classList.toggle("moved", Math.abs(value - this.options.rest) > 1e-6);
  }
}

export function checkbox(label: string, checked: boolean, changed: (on: boolean) => void): HTMLLabelElement {
  const input = element("input", { type: "checkbox" });
  input.checked = checked;
  input.addEventListener("change", () => changed(input.checked));
  return element("label", { class: "check" }, input, element("span", {}, label));
}

export interface Page {
  title: string;
  content: HTMLElement;
}

/** Tabs as screen readers know them: arrow keys move between them, Tab goes on into the page. */
export function tabs(list: HTMLElement, container: HTMLElement, pages: Page[]): void {
  const made = pages.map(({ title, content }, index) => {
    const tab = element("button", { type: "button", role: "tab", id: `tab-${index}`, "aria-controls": `page-${index}` }, title);
    content.id = `page-${index}`;
    content.setAttribute("role", "tabpanel");
    content.setAttribute("aria-labelledby", tab.id);
    content.tabIndex = 0;
    tab.addEventListener("click", () => choose(index));
    return tab;
  });
  const choose = (chosen: number) => {
    made.forEach((tab, index) => {
      tab.setAttribute("aria-selected", String(index === chosen));
      tab.tabIndex = index === chosen ? 0 : -1;
      pages[index]!.content.hidden = index !== chosen;
    });
    made[chosen]!.scrollIntoView({ block: "nearest", inline: "nearest" });
    container.scrollTop = 0;
  };
  // Set, not added: the list outlives its tabs, and would keep all that were ever in it.
  list.onkeydown = (event) => {
    const at = made.indexOf(document.activeElement as HTMLButtonElement);
    const steps: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: made.length - 1 };
    const to = steps[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const index = (to + made.length) % made.length;
    choose(index);
    made[index]!.focus();
  };
  list.replaceChildren(...made);
  container.replaceChildren(...pages.map((page) => page.content));
  choose(0);
}
