// node deca_page.mjs ADDRESS OUT_DIR PHOTO [UPLOADS]: uses the page of `deca serve` as a person would, at a desk and on a phone.
//
// Writes pictures and downloads to OUT_DIR and prints, as JSON, what it found. With UPLOADS it sends the photo so many
// times instead and prints how much memory that took.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { complaintsOf, picture as pictureOf, press as preset, withChromium } from "./chromium.mjs";

const [address, out, photo, uploads] = process.argv.slice(2);
const complaints = [];
const elsewhere = [];
let browser;
let profile;

async function opened() {
  const page = await browser.newPage();
  complaintsOf(page, complaints);
  page.on("request", (request) => {
    if (!/^(blob:|data:)/.test(request.url()) && !request.url().startsWith(address)) elsewhere.push(request.url());
  });
  // Choosers are caught from now on: whoever begins with the first may be too late for it.
  page.on("filechooser", () => {});
  await page.goto(address);
  await page.waitForSelector("[data-screen=start]");
  await page.check("[name=quality][value=encode]");
  return page;
}

async function upload(page, file) {
  await page.setInputFiles("#file", file);
  await page.waitForSelector("[data-screen=head]", { timeout: 120_000 });
}

const picture = (page, name) => pictureOf(page, out, name);

async function atTheDesk() {
  const found = {};
  let page = await opened();
  found.title = await page.title();

  // A bad file says what is wrong with it, and the page is as before.
  await writeFile(join(out, "notes.jpg"), "These are notes.");
  await page.setInputFiles("#file", join(out, "notes.jpg"));
  await page.waitForFunction(() => document.querySelector("#problem").textContent);
  found.problem = await page.textContent("#problem");
  found.screenAfterProblem = await page.getAttribute("body", "data-screen");

  // By keyboard from the top of the page to the button that opens the file chooser.
  await page.evaluate(() => document.activeElement.blur());
  found.tabStops = [];
  for (let stop = 0; stop < 8; stop++) {
    await page.keyboard.press("Tab");
    found.tabStops.push(await page.evaluate(() => document.activeElement.id));
  }
  await page.focus("#choose");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  await page.evaluate(() => {
    window.announced = [];
    new MutationObserver(() => window.announced.push(document.querySelector("#announcement").textContent)).observe(
      document.querySelector("#announcement"),
      { childList: true, characterData: true, subtree: true },
    );
  });
  await chooser.setFiles(photo);
  await page.waitForSelector("[data-screen=head]", { timeout: 120_000 });
  found.announced = await page.evaluate(() => window.announced);
  found.id = await page.evaluate(() => location.hash.slice(1));
  await picture(page, "photo");

  await preset(page, "Neutral");
  await picture(page, "neutral");
  await page.locator("#detail").fill("0");
  await picture(page, "neutral_coarse");
  await page.locator("#detail").fill("1");
  found.detailWidth = (await page.locator("#detail").boundingBox()).width;

  // A slider by keyboard alone.
  await page.getByLabel("Both sides together").uncheck();
  const slider = page.getByRole("slider", { name: "Jaw open" });
  await slider.focus();
  await page.keyboard.press("End");
  found.sliderText = await slider.getAttribute("aria-valuetext");
  await picture(page, "jaw_open");
  await preset(page, "Neutral");

  await page.check("[name=view][value=normals]");
  await picture(page, "neutral_normals");
  await preset(page, "Smile");
  await picture(page, "smile_normals");
  await page.check("[name=view][value=clay]");
  await picture(page, "smile_clay");
  await page.check("[name=view][value=texture]");
  await preset(page, "Disgust");
  await picture(page, "disgust");
  await preset(page, "Smile");
  await picture(page, "smile");

  // The head by keyboard, and the tabs.
  await page.locator("#canvas").focus();
  for (let turn = 0; turn < 5; turn++) await page.keyboard.press("ArrowRight");
  await picture(page, "turned");
  await page.keyboard.press("0");
  await page.getByRole("tab", { name: "Expression" }).focus();
  for (const key of ["ArrowRight", "ArrowRight"]) await page.keyboard.press(key);
  found.tab = await page.locator("[role=tab][aria-selected=true]").textContent();
  await page.locator("#page-2 .slider input").first().fill("3.5");
  await picture(page, "identity");
  await page.getByRole("button", { name: "Reconstructed" }).click();

  await page.getByRole("button", { name: "Compare with photo" }).click();
  await page.locator("#wipe").fill("100");
  await picture(page, "compare_photo");
  await page.locator("#wipe").fill("0");
  await picture(page, "compare_head");
  await page.getByRole("button", { name: "Compare with photo" }).click();

  await page.getByRole("tab", { name: "Save" }).click();
  for (const [name, link] of Object.entries({ "head.glb": "Head (GLB)", "head.zip": "All files (ZIP)", "view.png": "Picture of this view" })) {
    const control = page.locator("#page-5 a, #page-5 button", { hasText: link });
    const [download] = await Promise.all([page.waitForEvent("download"), control.click()]);
    await download.saveAs(join(out, name));
  }
  found.unnamed = await page.evaluate(() =>
    [...document.querySelectorAll("button, input, select, a, canvas, img, video")]
      .filter((control) => control.getAttribute("aria-hidden") !== "true")
      .filter((control) => {
        const labels = [...(control.labels ?? [])].map((label) => label.textContent).join("");
        const name = control.getAttribute("aria-label") ?? control.getAttribute("alt") ?? (labels || control.textContent);
        return !name.trim();
      })
      .map((control) => control.outerHTML.slice(0, 120)),
  );

  // How fast wrinkles are decoded: without drawing, which here no graphics card does.
  found.updatesPerSecond = await page.evaluate(async () => {
    document.querySelector("#stage").style.display = "none";
    const input = document.querySelector("#page-0 .slider input");
    let updates = 0;
    new PerformanceObserver((marks) => (updates += marks.getEntriesByName("wrinkles").length)).observe({ type: "mark" });
    const began = performance.now();
    for (let step = 0; performance.now() - began < 3000; step++) {
      input.valueAsNumber = (step % 100) / 100;
      input.dispatchEvent(new Event("input"));
      await new Promise((done) => setTimeout(done, 4));
    }
    return updates / 3;
  });
  await page.close();

  // The same neutral face where the decoder cannot be had: what it takes from the smile in the photo differs.
  const before = complaints.length;
  page = await browser.newPage();
  await page.route("**/decoder.onnx", (route) => route.abort());
  await page.goto(`${address}/#${found.id}`);
  await page.waitForSelector("[data-screen=head]", { timeout: 60_000 });
  await preset(page, "Neutral");
  await page.check("[name=view][value=normals]");
  await page.waitForTimeout(8000);
  await picture(page, "neutral_normals_without");
  complaints.length = before;
  await page.close();

  // The same disgust where light does not fade in hollows.
  page = await browser.newPage();
  await page.route("**/figure.safetensors", async (route) => {
    const response = await route.fetch();
    const file = (await response.body()).toString("latin1");
    const even = file.replace(/"darkening":"[^"]*"/, (entry) => `"darkening":"${"0".repeat(entry.length - 14)}"`);
    await route.fulfill({ response, body: Buffer.from(even, "latin1") });
  });
  await page.goto(`${address}/#${found.id}`);
  await page.waitForSelector("[data-screen=head]", { timeout: 60_000 });
  await preset(page, "Disgust");
  await picture(page, "disgust_even");
  await page.close();

  page = await browser.newPage();
  await page.goto(`${address}/docs`);
  await page.getByText("/api/movement").waitFor({ timeout: 30_000 });
  await page.screenshot({ path: join(out, "docs.png") });
  await page.close();
  return found;
}

async function onAPhone(id) {
  const page = await browser.newPage();
  complaintsOf(page, complaints);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(`${address}/#${id}`);
  await page.waitForSelector("[data-screen=head]", { timeout: 60_000 });
  await picture(page, "phone_stage");
  await page.screenshot({ animations: "disabled", path: join(out, "phone_dark.png") });
  const found = await page.evaluate(() => {
    const box = (selector) => document.querySelector(selector).getBoundingClientRect().toJSON();
    return { width: document.documentElement.scrollWidth, tools: box("#tools"), stage: box("#stage"), panel: box("#panel") };
  });
  await page.getByRole("button", { name: "Dark theme" }).click();
  await page.screenshot({ animations: "disabled", path: join(out, "phone_light.png") });
  await page.close();
  return found;
}

/** Megabytes of the page's heap after collecting garbage, and of all of the browser's processes. */
async function memory(session) {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  let pages = 0;
  for (const process of await readdir("/proc")) {
    try {
      const command = await readFile(`/proc/${process}/cmdline`, "utf8");
      if (command.includes(profile)) pages += Number((await readFile(`/proc/${process}/statm`, "utf8")).split(" ")[1]);
    } catch {
      // Not a process, or one that has just ended.
    }
  }
  return { heap: usedSize / 2 ** 20, resident: (pages * 4096) / 2 ** 20 };
}

async function again(count) {
  const page = await opened();
  // Small: this is about memory, and a processor draws it.
  await page.setViewportSize({ width: 500, height: 400 });
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.enable");
  const after = [];
  for (let upload_ = 0; upload_ < count; upload_++) {
    await upload(page, photo);
    await page.waitForFunction(() => performance.getEntriesByName("wrinkles").length > 0);
    await page.evaluate(() => performance.clearMarks());
    after.push(await memory(session));
    await page.getByRole("button", { name: "New photo" }).click();
  }
  return after;
}

await withChromium({ viewport: { width: 1440, height: 900 }, acceptDownloads: true }, async (...opened) => {
  [browser, profile] = opened;
  const found = uploads ? { memory: await again(Number(uploads)) } : { desk: await atTheDesk() };
  if (!uploads) found.phone = await onAPhone(found.desk.id);
  console.log(JSON.stringify({ ...found, complaints, elsewhere }));
});
