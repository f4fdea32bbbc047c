// Everything that can be taken home.
import { archiveAddress, deleteJob, fileAddress } from "../api";
import { button, element } from "../controls";
import type { Figure } from "../figure";
import type { Stage } from "../stage";

const FILES: { name: string; title: string; about: string }[] = [
  { name: "head.glb", title: "Head (GLB)", about: "textured, rigged, 52 morph targets" },
  { name: "coarse.obj", title: "Coarse mesh (OBJ)", about: "as in the photo" },
  { name: "detail.obj", title: "Detailed mesh (OBJ)", about: "with its wrinkles" },
  { name: "texture.png", title: "Texture", about: "PNG, sRGB" },
  { name: "albedo.png", title: "Albedo", about: "PNG, without light" },
  { name: "normal.png", title: "Normal map", about: "PNG, tangent space" },
  { name: "displacement.png", title: "Displacement map", about: "16-bit PNG, carries its scale" },
  { name: "parameters.json", title: "Parameters", about: "JSON" },
  { name: "landmarks.json", title: "Landmarks", about: "JSON, pixels of the photo" },
  { name: "sheet.png", title: "Contact sheet", about: "the steps side by side" },
];

export function savePanel(
  id: string,
  name: string,
  files: string[],
  figure: Figure,
  stage: Stage,
  deleted: (() => void) | null,
  tell: (text: string) => void,
): HTMLElement {
  const links = FILES.filter((file) => files.includes(file.name)).map(({ name: file, title, about }) =>
    element(
      "li",
      {},
      element(
        "a",
        { href: fileAddress(id, file), download: `${name}-${file}` },
        element("span", {}, title),
        element("small", {}, about),
      ),
    ),
  );
  const attempt = (act: () => Promise<void>) => act().catch((error: Error) => tell(error.message));
  const picture = button("Picture of this view (PNG)", () =>
    attempt(async () => {
      save(await stage.screenshot(), `${name}.png`);
      tell("The picture is saved.");
    }),
  );
  const weights = button("Weights of this expression (JSON)", () => {
    const content = JSON.stringify(figure.movement, null, 1);
    save(new Blob([content], { type: "application/json" }), `${name}-expression.json`);
    tell("The weights are saved.");
  });
  const all = element("a", { class: "button primary", href: archiveAddress(id), download: `${name}.zip` }, "All files (ZIP)");
  const content = element(
    "div",
    {},
    element("div", { class: "column" }, all, picture, weights),
    element("ul", { class: "files" }, ...links),
    element("p", { class: "note" }, figure.head.licence && `Head model: ${figure.head.licence}`),
  );
  if (deleted) {
    const remove = button(
      "Delete this head from the server",
      () =>
        attempt(async () => {
          await deleteJob(id);
          deleted();
        }),
      "danger",
    );
    content.append(remove);
  }
  return content;
}

function save(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
