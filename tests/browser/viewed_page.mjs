// node viewed_page.mjs ADDRESS OUT_DIR PHOTO OTHER: looks at a folder of heads that `deca view` shows, beside their photo.
//
// Writes pictures of the stage to OUT_DIR and prints, as JSON, what was seen and said.
import { complaintsOf, picture, withChromium } from "./chromium.mjs";

const [address, out, photo, other] = process.argv.slice(2);

await withChromium({ viewport: { width: 900, height: 600 } }, async (browser) => {
  const page = await browser.newPage();
  const found = { complaints: complaintsOf(page) };
  await page.goto(address);
  await page.waitForSelector("[data-screen=head]", { timeout: 60_000 });
  found.heads = await page.locator("#heads option").allTextContents();
  found.title = await page.title();
  await page.focus("#heads");
  await page.selectOption("#heads", { label: found.heads[1] });
  await page.waitForFunction((before) => document.title !== before, found.title);
  found.nextTitle = await page.title();
  found.focus = await page.evaluate(() => document.activeElement.id);
  found.newPhoto = await page.locator("#again").isVisible();
  found.deletes = await page.getByText("Delete this head").count();

  const compare = page.getByRole("button", { name: "Compare with photo" });
  const compareWith = async (file) => {
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), compare.click()]);
    await chooser.setFiles(file);
  };
  await compareWith(other);
  await page.locator("#toast", { hasText: "another photo" }).waitFor();
  found.other = await page.textContent("#toast");
  await compareWith(photo);
  await page.locator("#wipe").waitFor();
  found.overPhoto = await page.textContent("#toast");
  for (const share of [100, 50, 0]) {
    await page.locator("#wipe").fill(String(share));
    await picture(page, out, `wipe_${share}`);
  }
  await compare.click();
  found.photoAfterwards = await page.locator("#photo").isVisible();

  await page.goto(`${address}/#nobody`);
  await page.waitForSelector("[data-screen=start]");
  found.unknown = { problem: await page.textContent("#problem"), upload: await page.locator("#upload").isVisible() };
  found.focusOnStart = await page.evaluate(() => document.activeElement.id);

  found.complaints = found.complaints.filter((complaint) => !complaint.includes("404"));
  const flat = await browser.newPage();
  await flat.addInitScript(() => (HTMLCanvasElement.prototype.getContext = () => null));
  await flat.goto(address);
  await flat.waitForSelector("[data-screen=start]");
  found.flat = await flat.textContent("#problem");
  console.log(JSON.stringify(found));
});
