// What is looked at on every page: nothing wider than the screen, nothing that axe finds, no policy violated. Screenshots.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { DASHBOARD, SCREENSHOTS, wardlock } from "./home.mjs";

const AXE = await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const WIDTHS = [1280, 390];

/** Opens a context whose pages tell of errors and of violations of their policy. */
export async function context(browser, options = {}) {
  const made = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  made.complaints = [];
  made.on("page", (page) => {
    page.on("console", (message) => {
      if (message.type() === "error") made.complaints.push(message.text());
    });
    page.on("pageerror", (error) => made.complaints.push(String(error)));
    page.on("dialog", async (dialog) => {
      made.complaints.push(`a script ran: ${dialog.message()}`);
      await dialog.dismiss();
    });
  });
  return made;
}

/** Signs in by a link of the command line; returns the link, used up. */
export async function signIn(page) {
  const { link } = await wardlock("dashboard");
  await page.goto(link);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  return link;
}

/** Shows a page in both widths and both schemes, and looks at each. */
export async function look(browser, page, path, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  // A context beside, in which axe may run at all: the policy of the pages lets no script in.
  const storageState = await page.context().storageState();
  for (const colorScheme of ["light", "dark"]) {
    const beside = await browser.newContext({ bypassCSP: true, colorScheme, storageState });
    const shown = await beside.newPage();
    for (const width of WIDTHS) {
      await shown.setViewportSize({ width, height: 900 });
      await shown.goto(`${DASHBOARD}${path}`);
      await fits(shown, `${name} at ${width}`);
      await shown.screenshot({ path: `${SCREENSHOTS}/${name}-${width}-${colorScheme}.png`, fullPage: true });
    }
    await shown.setViewportSize({ width: 360, height: 800 });
    await fits(shown, `${name} at 360`);
    await shown.evaluate(AXE);
    const { violations } = await shown.evaluate(() => globalThis.axe.run());
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" ")}`);
    assert.deepEqual(found, [], `axe on ${name} (${colorScheme})`);
    await beside.close();
  }
}

async function fits(page, what) {
  const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= room, `${what} is ${wide} wide`);
}
