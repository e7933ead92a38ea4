import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";

const PANES = [
  ["containers", "containers"],
  ["container-logs", "containers/logs/id-shop-web-1"],
  ["debug", "debug/attach/shop-web-1"],
  ["snapshots", "snapshots"],
  ["swarm", "swarm"],
  ["logs", "logs/daemon"],
  ["settings", "settings"],
  ["welcome", "welcome"],
  ["about", "about"],
] as const;

/** Where pictures of the panes go, if somebody wants them. */
const PICTURES = process.env.CORACLE_SCREENSHOTS;

for (const scheme of ["light", "dark"] as const) {
  for (const [name, place] of PANES) {
    test(`${name} has no serious violation in the ${scheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: scheme });
      await page.goto(`/#/${place}`);
      await expect(page.getByRole("heading", { level: 2 })).toBeVisible();
      await expect(page.getByTestId("state")).toHaveText("Running");
      if (PICTURES) await page.screenshot({ path: `${PICTURES}/${name}-${scheme}.png` });
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter(({ impact }) =>
        ["serious", "critical"].includes(impact ?? ""),
      );
      expect(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    });
  }
}

test("the question before a removal has no serious violation", async ({ page }) => {
  await page.goto("/#/containers");
  await page.getByRole("button", { name: "Remove shop-web-1" }).click();
  await expect(page.getByRole("dialog")).toContainText("is lost");
  // Enter alone loses nothing.
  await expect(page.getByRole("button", { name: "Cancel" })).toBeFocused();
  const { violations } = await new AxeBuilder({ page }).include("dialog").analyze();
  expect(violations.filter(({ impact }) => impact === "serious")).toEqual([]);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  expect(await page.evaluate(() => window.fakeHost?.done)).toEqual([]);
});

test("all of it is reached with the keyboard", async ({ page }) => {
  await page.goto("/#/containers");
  await expect(page.getByText("shop-web-1")).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  const stop = page.getByRole("button", { name: "Stop shop-web-1" });
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    if (await stop.evaluate((one) => one === document.activeElement)) break;
  }
  await expect(stop).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Start shop-web-1" })).toBeVisible();
});
