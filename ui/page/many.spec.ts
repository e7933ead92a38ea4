import { expect, type Page, test } from "@playwright/test";

/** A page answers a person within this. */
const MOST_MS = 100;

/** Milliseconds from doing something to the second frame after it, in the page. */
async function cost(page: Page, what: string): Promise<number> {
  return page.evaluate(async (what) => {
    const act = new Function(what);
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    await frame();
    const begun = performance.now();
    act();
    await frame();
    await frame();
    return performance.now() - begun;
  }, what);
}

/** A page with nothing to do takes two frames, too: what is more is ours. */
async function isQuick(page: Page, what: string) {
  const costs = [];
  for (let turn = 0; turn < 7; turn++) {
    costs.push((await cost(page, what)) - (await cost(page, "")));
  }
  costs.sort((a, b) => a - b);
  console.log(`${what}: ${costs.map(Math.round).join(" ")} ms over an empty act`);
  // The median, as a machine that is busy holds up one or the other.
  expect(costs[Math.floor(costs.length / 2)]).toBeLessThan(MOST_MS);
}

test("500 containers: only what is seen is in the page", async ({ page }) => {
  await page.goto("/?containers=500#/containers");
  await expect(page.getByText("500 containers")).toBeVisible();
  expect(await page.getByRole("row").count()).toBeLessThan(60);
  await isQuick(page, "document.querySelector('[role=table]').scrollTop += 5000");
  await page.getByLabel("Filter the containers").fill("app-049");
  await expect(page.getByText("app-049-web-9")).toBeVisible();
  await expect(page.getByRole("row")).toHaveCount(11);
});

/** Filters a scrolled list until it has one row, and takes the filter away. */
async function filterAndBack(page: Page, role: "table" | "log", label: string, text: string) {
  const list = page.getByRole(role);
  await list.evaluate((one) => (one.scrollTop = 8000));
  await expect.poll(() => list.evaluate((one) => one.scrollTop)).toBe(8000);
  await page.getByLabel(label).fill(text);
  await expect.poll(() => list.evaluate((one) => one.scrollTop)).toBe(0);
  // The browser tells of its scroll in the next frame.
  await page.evaluate(() => new Promise((done) => setTimeout(done, 100)));
  await page.getByLabel(label).fill("");
  await page.evaluate(() => new Promise((done) => setTimeout(done, 100)));
  expect(await list.evaluate((one) => one.scrollTop)).toBe(0);
}

test("a filter taken away does not lead to the end of the list", async ({ page }) => {
  await page.goto("/?containers=500#/containers");
  await expect(page.getByText("500 containers")).toBeVisible();
  await filterAndBack(page, "table", "Filter the containers", "app-049-web-9");

  await page.goto("/?lines=1000#/logs/engine");
  await expect(page.getByTestId("lines")).toHaveText("1000 lines");
  await page.getByLabel("Follow").uncheck();
  await filterAndBack(page, "log", "Search in", "line 777");
  await expect(page.getByLabel("Follow")).not.toBeChecked();
});

test("a log that is scrolled to its end follows again", async ({ page }) => {
  await page.goto("/?lines=1000#/logs/engine");
  await expect(page.getByText("line 999 of")).toBeVisible();
  const log = page.getByRole("log");
  await log.evaluate((one) => (one.scrollTop -= 3000));
  await expect(page.getByLabel("Follow")).not.toBeChecked();
  await log.evaluate((one) => (one.scrollTop = one.scrollHeight));
  await expect(page.getByLabel("Follow")).toBeChecked();
});

test("100,000 lines: only what is seen is in the page", async ({ page }) => {
  await page.goto("/?lines=100000#/logs/engine");
  await expect(page.getByTestId("lines")).toHaveText("100000 lines");
  await expect(page.getByText("line 99999 of")).toBeVisible();
  expect(await page.locator("code.line").count()).toBeLessThan(90);
  await isQuick(page, "document.querySelector('[role=log]').scrollTop -= 50000");
  await page.getByLabel("Search in").fill("line 77777");
  await expect(page.getByTestId("lines")).toHaveText("1 of 100000 lines");
});
