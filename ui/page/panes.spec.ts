import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";

const PANES = [
  ["containers", "containers"],
  ["container-logs", "containers/logs/id-shop-web-1"],
  ["container-terminal", "containers/terminal/id-shop-web-1"],
  ["container-usage", "containers/usage/id-shop-web-1"],
  ["container-files", "containers/files/id-shop-web-1"],
  ["container-inspect", "containers/inspect/id-shop-web-1"],
  ["images", "images"],
  ["image-history", "images/history/sha256:shopweblatest"],
  ["volumes", "volumes"],
  ["volume-inspect", "volumes/shop_db"],
  ["networks", "networks"],
  ["usage", "usage"],
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

/** What a pane shows when it shows all. */
const READY: Partial<Record<string, (page: Page) => Promise<void>>> = {
  "container-terminal": (page) => expect(page.locator(".xterm-rows")).toContainText("root@web"),
  usage: (page) => drawn(page, 4),
  "container-usage": (page) => drawn(page, 4),
  images: (page) => expect(page.getByText("postgres:17")).toBeVisible(),
  volumes: (page) => expect(page.getByText("124 MiB")).toBeVisible(),
  networks: (page) => expect(page.getByText("172.18.0.0/16")).toBeVisible(),
  swarm: (page) => expect(page.getByRole("img", { name: /The swarm/ })).toBeVisible(),
};

/** Waits until plots have something to draw. */
async function drawn(page: Page, count: number) {
  await expect(page.locator(".uplot canvas")).toHaveCount(count);
  await expect(page.getByRole("img", { name: /Processors.* %/ })).toBeVisible();
  if (PICTURES) await page.waitForTimeout(6000);
}

for (const scheme of ["light", "dark"] as const) {
  for (const [name, place] of PANES) {
    test(`${name} has no serious violation in the ${scheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: scheme });
      await page.goto(`/#/${place}`);
      await expect(page.getByRole("heading", { level: 2 })).toBeVisible();
      await expect(page.getByTestId("state")).toHaveText("Running");
      await READY[name]?.(page);
      await clean(page, `${name}-${scheme}`);
    });
  }
}

/** What a pane says when there is no VM to ask, or one that is not asked. */
const UNREAD = [
  "containers",
  "containers/logs/id-shop-web-1",
  "containers/terminal/id-shop-web-1",
  "containers/usage/id-shop-web-1",
  "containers/files/id-shop-web-1",
  "containers/inspect/id-shop-web-1",
  "images",
  "images/history/sha256:shopweblatest",
  "volumes",
  "networks",
  "usage",
  "debug",
  "swarm",
  "snapshots",
  "logs/daemon",
  "settings",
  "welcome",
  "about",
];

for (const [name, state, asleep] of [
  ["stopped", "stopped", false],
  ["asleep", "running", true],
] as const) {
  for (const scheme of ["light", "dark"] as const) {
    test(`a VM that is ${name} has no serious violation in the ${scheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: scheme });
      await page.goto("/#/about");
      await expect(page.getByTestId("state")).toHaveText("Running");
      await page.evaluate(
        ([state, asleep]) => {
          window.fakeHost?.becomeState(state, asleep);
          window.fakeHost?.become({ containers: null });
        },
        [state, asleep] as const,
      );
      for (const place of UNREAD) {
        await page.evaluate((place) => (location.hash = `#/${place}`), place);
        await expect(page.getByTestId("state")).toHaveText(/Stopped|Asleep/);
        await clean(page, `${name}-${place.replaceAll("/", "-")}-${scheme}`);
      }
    });
  }
}

test("the question before a removal has no serious violation", async ({ page }) => {
  await page.goto("/#/containers");
  await page.getByRole("button", { name: "Remove shop-web-1" }).click();
  await expect(page.getByRole("dialog")).toContainText("is lost");
  // Enter alone loses nothing.
  await expect(page.getByRole("button", { name: "Cancel" })).toBeFocused();
  await clean(page, "question");
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

test("a terminal shows what its shell says, and its shell ends with the pane", async ({ page }) => {
  await page.goto("/#/containers/terminal/id-shop-web-1");
  const screen = page.locator(".xterm-rows");
  await expect(screen).toContainText("root@web");
  expect(await page.evaluate(() => window.fakeHost?.shells)).toBe(1);
  await page.keyboard.type("echo $((6*7))");
  await page.keyboard.press("Enter");
  await expect(screen).toContainText("42");
  await page.getByRole("link", { name: "Inspect", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Inspect shop-web-1" })).toBeVisible();
  expect(await page.evaluate(() => window.fakeHost?.shells)).toBe(0);
});

test("a terminal says that its shell has ended, or that there is none", async ({ page }) => {
  await page.goto("/#/containers/terminal/id-shop-web-1");
  await expect(page.locator(".xterm-rows")).toContainText("root@web");
  await page.keyboard.type("exit");
  await page.keyboard.press("Enter");
  await expect(page.getByText("The shell has ended.")).toBeVisible();
  await page.getByRole("button", { name: "A new shell" }).click();
  await expect(page.getByText("The shell has ended.")).toBeHidden();
  await page.goto("/#/containers/terminal/id-registry");
  await expect(page.getByText("neither bash nor sh")).toBeVisible();
});

test("a terminal outlives a daemon that stalls, and not its VM", async ({ page }) => {
  await page.goto("/#/containers/terminal/id-shop-web-1");
  const screen = page.locator(".xterm-rows");
  await expect(screen).toContainText("root@web");
  await page.keyboard.type("before");
  await page.evaluate(() => {
    const daemon = { link: "silent", message: "It hangs." } as const;
    window.fakeHost?.become({ daemon, status: null, containers: null });
  });
  await expect(page.getByText("It hangs.")).toBeVisible();
  await expect(screen).toContainText("before");
  await page.evaluate(() => window.fakeHost?.becomeState("running"));
  await expect(page.getByTestId("state")).toHaveText("Running");
  await expect(screen).toContainText("before");
  expect(await page.evaluate(() => window.fakeHost?.shells)).toBe(1);
  await page.evaluate(() => window.fakeHost?.becomeState("suspended"));
  await expect(page.getByText("Start the VM to see the container.")).toBeVisible();
  expect(await page.evaluate(() => window.fakeHost?.shells)).toBe(0);
});

test("a pull and a rolling update have no serious violation as they go", async ({ page }) => {
  await page.goto("/#/images");
  await page.getByLabel("Pull", { exact: true }).fill("nginx");
  await page.getByRole("button", { name: "Pull" }).click();
  await expect(page.getByRole("button", { name: "Cancel" })).toBeVisible();
  await page.evaluate(() => {
    const layer = { piece: "layer", status: "Downloading", total: 4_000_000 } as const;
    window.fakeHost?.pulling?.({ ...layer, id: "0123456789ab", current: 1_000_000 });
    window.fakeHost?.pulling?.({ ...layer, id: "ba9876543210", current: 3_000_000 });
  });
  await expect(page.getByRole("progressbar")).toHaveCount(2);
  await clean(page, "images-pull");
  await page.goto("/#/swarm");
  await page.getByRole("button", { name: "Update web" }).click();
  await page.getByLabel("Image").fill("nginx:1.30");
  await clean(page, "swarm-form");
  await page.getByRole("button", { name: "Start the update" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Update" }).click();
  await expect(page.getByText("1: preparing", { exact: true })).toBeVisible();
  await clean(page, "swarm-update");
});

async function clean(page: Page, name: string) {
  if (PICTURES) await page.screenshot({ path: `${PICTURES}/${name}.png` });
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact ?? ""));
  expect(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
}
