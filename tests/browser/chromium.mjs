// Chromium for one test, and what tests look at in it. The browser is $CHROMIUM or the system's.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

// To draw with WebGL where there is no graphics card, and to ask nobody anything.
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--use-gl=angle",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Give `use` a browser with a profile of its own; both are gone afterwards. */
export async function withChromium({ args = [], ...options }, use) {
  const profile = await mkdtemp(join(tmpdir(), "deca-chromium-"));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [...flags, ...args],
    ...options,
  });
  try {
    return await use(browser, profile);
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** What a page complains of, from now on. Warnings of three.js count; the driver's remarks on its speed do not. */
export function complaintsOf(page, complaints = []) {
  page.on("console", (message) => {
    if (message.type() === "error" || message.text().startsWith("THREE.")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return complaints;
}

/** Wait until wrinkles and pictures are done: the stage looks the same twice. */
async function still(page) {
  let before = "";
  for (let tries = 0; tries < 40; tries++) {
    await page.waitForTimeout(700);
    const now = (await page.locator("#stage").screenshot()).toString("base64");
    if (now === before) return;
    before = now;
  }
  throw new Error("the stage does not come to rest");
}

/** The stage of our page, once it has come to rest. */
export async function picture(page, folder, name) {
  await still(page);
  await page.locator("#stage").screenshot({ path: join(folder, `${name}.png`) });
}

/** Press the button of this name on our page. */
export const press = (page, name) => page.getByRole("button", { name, exact: true }).click();

export const tab = (page, name) => page.getByRole("tab", { name, exact: true }).click();
