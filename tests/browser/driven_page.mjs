// node driven_page.mjs ADDRESS OUT_DIR ID FILES.json: moves the head of this id by a photo, clips and the camera.
//
// FILES.json names the files: photo, notes (no picture), clip, faceless (a clip), broken (no clip), camera (.mjpeg).
// Writes pictures of the stage to OUT_DIR and prints, as JSON, what was said and where the sliders went.
import { readFile } from "node:fs/promises";
import { complaintsOf, picture, press, tab, withChromium } from "./chromium.mjs";

const [address, out, id, names] = process.argv.slice(2);
const files = JSON.parse(await readFile(names, "utf8"));
const args = ["--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${files.camera}`];
const viewport = { width: 900, height: 600 };

await withChromium({ args, viewport, permissions: ["camera"] }, async (browser) => {
  const page = await browser.newPage();
  const found = { complaints: complaintsOf(page) };
  let asked = 0;
  page.on("request", (request) => (asked += request.url().endsWith("/api/movement") ? 1 : 0));
  await page.goto(`${address}/#${id}`);
  await page.waitForSelector("[data-screen=head]", { timeout: 60_000 });

  const value = (name) => page.evaluate((label) => document.querySelector(`[aria-label="${label}"]`).valueAsNumber, name);
  const neutral = async () => {
    await tab(page, "Expression");
    await press(page, "Neutral");
    await page.waitForFunction(() => document.querySelector('[aria-label="Jaw open"]').valueAsNumber === 0);
    await tab(page, "Drive");
  };
  const message = page.locator("#page-4 [role=status]");
  const said = (text) => message.filter({ hasText: text }).waitFor({ timeout: 30_000 });
  const choose = (index, file) => page.locator("#page-4 input[type=file]").nth(index).setInputFiles(file);
  /** Stop as soon as a slider has passed a value. */
  const stopAt = (name, least) =>
    page.evaluate(
      ([label, least]) =>
        new Promise((done) => {
          const slider = document.querySelector(`[aria-label="${label}"]`);
          const look = () => {
            if (slider.valueAsNumber <= least) return void setTimeout(look, 10);
            [...document.querySelectorAll("#page-4 button")].find((button) => button.textContent === "Stop").click();
            done();
          };
          look();
        }),
      [name, least],
    );

  await neutral();
  await picture(page, out, "neutral");

  await choose(0, files.notes);
  await said("notes.jpg");
  found.notes = await message.textContent();
  await choose(0, files.photo);
  await said("has the photo's expression");
  await page.waitForTimeout(400);
  found.photo = { jaw: await value("Jaw open"), preview: await page.locator("#page-4 img").isVisible() };
  await picture(page, out, "photo");

  await neutral();
  await choose(1, files.clip);
  await said("Following");
  const preview = await page.locator("#page-4 video").isVisible();
  await stopAt("Jaw open", 0.4);
  found.clip = { jaw: await value("Jaw open"), preview };
  await picture(page, out, "clip");
  await choose(1, files.faceless);
  await said("No face");
  found.faceless = await message.textContent();
  await choose(1, files.broken);
  await said("cannot be played");
  found.broken = await message.textContent();

  await neutral();
  await press(page, "The camera");
  await stopAt("Mouth smile left", 0.25);
  found.camera = { smile: await value("Mouth smile left") };
  await picture(page, out, "camera");

  // Whoever leaves the head lets go of the camera.
  await press(page, "The camera");
  await said("Following");
  await press(page, "New photo");
  await page.waitForTimeout(300);
  const before = asked;
  await page.waitForTimeout(1000);
  found.askedAfterwards = asked - before;

  await page.goBack();
  await page.waitForSelector("[data-screen=head]", { timeout: 60_000 });
  await tab(page, "Drive");
  const session = await browser.newCDPSession(page);
  await session.send("Browser.setPermission", { permission: { name: "camera" }, setting: "denied" });
  await press(page, "The camera");
  await said("may not be used");
  found.refused = await message.textContent();
  console.log(JSON.stringify(found));
});
