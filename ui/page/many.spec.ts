import { expect, type Page, test } from "@playwright/test";

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
async function compare(page: Page, what: string) {
  const costs = [];
  for (let turn = 0; turn < 5; turn++) {
    costs.push((await cost(page, what)) - (await cost(page, "")));
  }
  costs.sort((a, b) => a - b);
  console.log(`${what}: ${costs.map(Math.round).join(" ")} ms over an empty act`);
}

test("500 containers: only what is seen is in the page", async ({ page }) => {
  await page.goto("/?containers=500#/containers");
  await expect(page.getByText("500 containers")).toBeVisible();
  expect(await page.getByRole("row").count()).toBeLessThan(60);
  await compare(page, "document.querySelector('[role=table]').scrollTop += 5000");
  await page.getByLabel("Filter the containers").fill("app-049");
  await expect(page.getByText("app-049-web-9")).toBeVisible();
  await expect(page.getByRole("row")).toHaveCount(11);
});

test("100,000 lines: only what is seen is in the page", async ({ page }) => {
  await page.goto("/?lines=100000#/logs/engine");
  await expect(page.getByTestId("lines")).toHaveText("100000 lines");
  await expect(page.getByText("line 99999 of")).toBeVisible();
  expect(await page.locator("code.line").count()).toBeLessThan(90);
  await compare(page, "document.querySelector('[role=log]').scrollTop -= 50000");
  await page.getByLabel("Search in").fill("line 77777");
  await expect(page.getByTestId("lines")).toHaveText("1 of 100000 lines");
});
