// node screenshots.mjs HEAD.glb OUT_DIR VIEWS.json: one PNG of the head for each named view, through three.js in Chromium.
//
// VIEWS.json is {name: {morphs: {...}, azimuth: degrees, ...}}, the arguments of show() in page.mjs. Prints, as JSON, what
// the page found in the file, where each view's points fell, and every complaint of its console.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { complaintsOf, withChromium } from "./chromium.mjs";

const [glb, out, viewFile] = process.argv.slice(2);
const views = JSON.parse(await readFile(viewFile, "utf8"));
const here = import.meta.dirname;
const types = { ".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript", ".glb": "model/gltf-binary" };

const server = createServer(async (request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  try {
    const body = await readFile(path === "/head.glb" ? glb : join(here, path));
    response.writeHead(200, { "Content-Type": types[extname(path)] ?? "application/octet-stream" }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

await withChromium({ viewport: { width: 512, height: 512 } }, async (browser) => {
  const page = await browser.newPage();
  const complaints = complaintsOf(page);
  page.on("requestfailed", (request) => complaints.push(`failed: ${request.url()}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/page.html`);
  try {
    await page.waitForFunction(() => window.head, null, { timeout: 60_000 });
  } catch (error) {
    throw new Error(`the page did not load the head: ${complaints.join("; ") || error}`);
  }
  const pixels = {};
  for (const [name, view] of Object.entries(views)) {
    pixels[name] = await page.evaluate((view) => window.head.show(view), view);
    await page.screenshot({ path: join(out, `${name}.png`) });
  }
  const found = await page.evaluate(() => ({ ...window.head, show: undefined }));
  console.log(JSON.stringify({ ...found, complaints, pixels }));
});
server.close();
