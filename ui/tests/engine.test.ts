import { render, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import App from "../src/App.svelte";
import { PATIENCE_MS } from "../src/attention.svelte";
import { type Fake, makeFake } from "../src/host/fake";
import { moves, picture, tone } from "../src/topology";
import { percent, rate } from "../src/words";
import { standIn } from "./browser";

let host: Fake;

beforeEach(() => {
  standIn();
  host = makeFake();
});

afterEach(() => vi.useRealTimers());

async function open(place: string) {
  location.hash = `#/${place}`;
  const page = render(App, { host });
  await screen.findByText("Running");
  return page;
}

const click = (name: string | RegExp, role = "button") => screen.getByRole(role, { name }).click();

function type(input: HTMLInputElement, text: string) {
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

test("an image that nothing uses is removed after a question, one in use is not", async () => {
  await open("images");
  await screen.findByText("postgres:17");
  const used = screen.getByRole<HTMLButtonElement>("button", { name: "Remove postgres:17" });
  expect(used.disabled).toBe(true);
  expect(used.title).toContain("shop-db-1");
  click("Remove node:22-slim");
  await screen.findByText(/only built here is lost/);
  expect(host.done).toEqual([]);
  within(screen.getByRole("dialog")).getByRole("button", { name: "Remove" }).click();
  await waitFor(() => expect(screen.queryByText("node:22-slim")).toBeNull());
  expect(host.done).toEqual([{ do: "remove", kind: "image", id: "sha256:node22slim00" }]);
});

test("unused images go together, and it says how much comes back", async () => {
  await open("images");
  await screen.findByText("postgres:17");
  click("Remove unused…");
  const question = await screen.findByRole("dialog");
  expect(question.textContent).toContain("2 unused images");
  expect(question.textContent).toContain("259 MiB of disk come back");
  within(question).getByRole("button", { name: "Remove" }).click();
  await screen.findByText("5 images");
  expect(host.done).toEqual([
    { do: "remove", kind: "image", id: "sha256:none00000000" },
    { do: "remove", kind: "image", id: "sha256:node22slim00" },
  ]);
});

const LAYER = { piece: "layer", id: "0123456789ab", status: "Downloading" } as const;

async function pull(name: string) {
  await open("images");
  type(await screen.findByRole<HTMLInputElement>("textbox", { name: "Pull" }), name);
  await waitFor(() =>
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Pull" }).disabled).toBe(false),
  );
  click("Pull");
  await waitFor(() => expect(host.pulling).not.toBeNull());
}

test("a pull shows each layer, and can be cancelled", async () => {
  await pull("nginx");
  expect(host.pulls).toEqual(["nginx"]);
  host.pulling?.({ ...LAYER, current: 2 ** 20, total: 2 ** 22 });
  const bar = await screen.findByRole<HTMLProgressElement>("progressbar");
  expect([bar.value, bar.max]).toEqual([2 ** 20, 2 ** 22]);
  click("Cancel");
  await screen.findByText("The pull was cancelled.");
  expect(host.pulling).toBeNull();
});

test("a pull goes on while another pane is shown, and tells there that it failed", async () => {
  await pull("nginx");
  location.hash = "#/volumes";
  await screen.findByRole("heading", { name: "Volumes" });
  expect(host.pulling).not.toBeNull();
  host.pulling?.({ ...LAYER, current: 2 ** 20, total: 2 ** 22 });
  location.hash = "#/images";
  await screen.findByText("1 MiB of 4 MiB");
  location.hash = "#/volumes";
  await screen.findByRole("heading", { name: "Volumes" });
  host.pulling?.({ piece: "end", error: "The registry is gone." });
  await screen.findByText("nginx was not pulled. The registry is gone.");
});

test("a pull that fails says why in the engine's words", async () => {
  await pull("nowhere");
  host.pulling?.({ piece: "end", error: "pull access denied for nowhere" });
  expect((await screen.findByRole("alert")).textContent).toContain("access denied");
});

test("the question before volumes go names those that somebody has named", async () => {
  await open("volumes");
  await screen.findByText("shop_old");
  click("Remove unused…");
  const question = await screen.findByRole("dialog");
  await waitFor(() => expect(question.textContent).toContain("shop_old"));
  expect(question.textContent).not.toContain("shop_db");
  within(question).getByRole("button", { name: "Remove" }).click();
  await waitFor(() => expect(screen.queryByText("shop_old")).toBeNull());
  await screen.findByText("2 volumes");
});

test("until all volumes are counted, nothing is said of how much is lost", async () => {
  const sizes = await host.volumeSizes();
  let counted = (_: typeof sizes) => {};
  host.volumeSizes = () => new Promise((done) => (counted = done));
  await open("volumes");
  await screen.findByText("shop_old");
  click("Remove unused…");
  const question = await screen.findByRole("dialog");
  await waitFor(() => expect(question.textContent).toContain("in them is lost, among them"));
  click("Cancel");
  counted(sizes);
  await screen.findByText("62 MiB");
  click("Remove unused…");
  await waitFor(() => expect(question.textContent).toContain("in them is lost: 186 MiB"));
});

test("a volume of which the engine tells no size is counted once", async () => {
  let counts = 0;
  const sizes = await host.volumeSizes();
  host.volumeSizes = () => {
    counts++;
    return Promise.resolve(sizes.filter((one) => one.name !== "shop_old"));
  };
  await open("volumes");
  const row = (await screen.findByText("shop_old")).closest("[data-volume]")!;
  await waitFor(() => expect(row.textContent).toContain("–"));
  for (let news = 1; news <= 3; news++) {
    host.become({ engine_news: news });
    await new Promise((done) => setTimeout(done, 20));
  }
  expect(counts).toBe(1);
  // One that comes is counted.
  const volumes = await host.volumes();
  host.volumes = () => Promise.resolve([...volumes, { ...volumes[0]!, name: "fresh" }]);
  host.become({ engine_news: 9 });
  await screen.findByText("fresh");
  await waitFor(() => expect(counts).toBe(2));
  await new Promise((done) => setTimeout(done, 50));
  expect(counts).toBe(2);
});

test("only what the question names is removed, and what the engine keeps is told", async () => {
  await open("volumes");
  await screen.findByText("shop_old");
  click("Remove unused…");
  const question = await screen.findByRole("dialog");
  await waitFor(() => expect(question.textContent).toContain("2 unused volumes"));
  // While it stands, another loses its user, and one finds one.
  const volumes = (await host.volumes()).map((one) => ({ ...one, users: [] as string[] }));
  host.volumes = () => Promise.resolve(volumes);
  host.become({ engine_news: 1 });
  host.failNext = { code: "engine-failed", message: "volume is in use." };
  within(question).getByRole("button", { name: "Remove" }).click();
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain(
    "1 of 2 volumes could not be removed. shop_old: volume is in",
  );
  expect(host.done).toEqual([
    { do: "remove", kind: "volume", id: "shop_old" },
    { do: "remove", kind: "volume", id: "5f".repeat(32) },
  ]);
});

test("networks of the engine stay", async () => {
  await open("networks");
  await screen.findByText("trial");
  const own = screen.getByRole<HTMLButtonElement>("button", { name: "Remove bridge" });
  expect(own.disabled).toBe(true);
  click("Remove trial");
  within(await screen.findByRole("dialog"))
    .getByRole("button", { name: "Remove" })
    .click();
  await waitFor(() => expect(screen.queryByText("trial")).toBeNull());
});

test("what the engine knows of a container is searched", async () => {
  await open("containers/inspect/id-shop-web-1");
  await screen.findByText("47 lines");
  type(screen.getByRole<HTMLInputElement>("searchbox"), "label-3");
  await screen.findByText("11 of 47 lines");
});

test("files that a container has changed are listed", async () => {
  await open("containers/files/id-shop-web-1");
  await screen.findByText("/app/uploads/photo.jpg");
  await screen.findByText("5 files");
});

test("what containers take is told while somebody looks, and no longer", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const page = await open("containers");
  await waitFor(() => expect(host.watched.size).toBe(7));
  await vi.advanceTimersByTimeAsync(PATIENCE_MS + 1000);
  expect(host.watched.size).toBe(0);
  dispatchEvent(new Event("pointermove"));
  await waitFor(() => expect(host.watched.size).toBe(7));

  // A window that is minimized, or on another desktop.
  const seen = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  document.dispatchEvent(new Event("visibilitychange"));
  await waitFor(() => expect(host.watched.size).toBe(0));
  seen.mockRestore();
  document.dispatchEvent(new Event("visibilitychange"));
  await waitFor(() => expect(host.watched.size).toBe(7));

  // A VM that sleeps is not woken for it.
  host.becomeState("running", true);
  await waitFor(() => expect(host.watched.size).toBe(0));
  host.becomeState("running");
  await waitFor(() => expect(host.watched.size).toBe(7));

  // Who has ended takes nothing.
  click("Stop registry");
  await waitFor(() => expect(host.watched.has("id-registry")).toBe(false));
  page.unmount();
  await waitFor(() => expect(host.watched.size).toBe(0));
});

test("a service gets another image, a few tasks at a time", async () => {
  await open("swarm");
  await screen.findByRole("button", { name: "Update web" });
  click("Update web");
  const image = await screen.findByRole<HTMLInputElement>("textbox", { name: "Image" });
  expect(image.value).toBe("nginx:1.29");
  type(image, "nginx:1.30");
  click("Start the update");
  const question = await screen.findByRole("dialog");
  await waitFor(() => expect(question.textContent).toContain("tasks are replaced"));
  expect(host.done).toEqual([]);
  within(question).getByRole("button", { name: "Update" }).click();
  await screen.findByText("1: preparing");
  await screen.findByText("update in progress");
  expect(host.done).toEqual([
    { do: "update", service: "web", image: "nginx:1.30", parallelism: 2, delay_s: 5 },
  ]);
});

test("a swarm on its way is looked at again after a read that failed", async () => {
  await open("swarm");
  await screen.findByText("1: running");
  const swarm = await host.swarm();
  swarm.tasks[0]!.state = "preparing";
  let reads = 0;
  host.swarm = () => {
    reads++;
    if (reads === 2) return Promise.reject({ code: "engine-failed", message: "Busy." });
    const state = reads < 4 ? "preparing" : "running";
    const tasks = swarm.tasks.map((one, index) => (index === 0 ? { ...one, state } : one));
    return Promise.resolve({ ...swarm, tasks });
  };
  vi.useFakeTimers({ shouldAdvanceTime: true });
  host.become({ engine_news: 1 });
  await screen.findByText("1: preparing");
  await vi.advanceTimersByTimeAsync(1000);
  await screen.findByText("Busy.");
  await vi.advanceTimersByTimeAsync(5000);
  expect(screen.queryByText("1: preparing")).toBeNull();
  // It stands still, and nobody asks any more.
  expect(reads).toBe(4);
});

test("a node is drained after a question, and activated without one", async () => {
  await open("swarm");
  await screen.findByRole("button", { name: "Drain attic" });
  click("Drain attic");
  const question = await screen.findByRole("dialog");
  await waitFor(() => expect(question.textContent).toContain("Other nodes take their place"));
  expect(host.done).toEqual([]);
  within(question).getByRole("button", { name: "Drain" }).click();
  await screen.findByRole("button", { name: "Activate attic" });
  click("Activate attic");
  await waitFor(() => expect(screen.queryByRole("button", { name: "Activate attic" })).toBeNull());
  expect(host.done.map((action) => action.do)).toEqual(["node", "node"]);
});

test("each task stands in its node, and those without one wait beside", async () => {
  const swarm = await makeFake().swarm();
  expect(moves(swarm)).toBe(false);
  expect(picture(swarm).nodes.map(({ of }) => of?.name)).toEqual(["coracle", "attic"]);
  const first = swarm.tasks[0]!;
  swarm.tasks.push({ ...first, id: "new", node: null, state: "pending" });
  const drawn = picture(swarm);
  expect(drawn.nodes.map(({ of }) => of?.name)).toEqual(["coracle", "attic", undefined]);
  const inside = (id: string, index: number) => {
    const task = drawn.tasks.find(({ of }) => of.id === id)!;
    const node = drawn.nodes[index]!;
    return task.y > node.y && task.y < node.y + node.height;
  };
  expect([inside("web-2", 1), inside("new", 2), inside("web-2", 0)]).toEqual([true, true, false]);
  expect(moves(swarm)).toBe(true);
});

test("a task's colour says where it goes", async () => {
  const task = (await makeFake().swarm()).tasks[0]!;
  const of = (state: string, desired: string) => tone({ ...task, state, desired });
  expect(of("running", "running")).toBe("good");
  expect(of("preparing", "ready")).toBe("moves");
  expect(of("running", "shutdown")).toBe("leaves");
  expect(of("rejected", "shutdown")).toBe("bad");
});

test("shares and rates are short", () => {
  expect([0.24, 9.96, 10.4, 250].map(percent)).toEqual(["0.2 %", "10 %", "10 %", "250 %"]);
  expect(rate(1536.4)).toBe("1.5 KiB/s");
});
