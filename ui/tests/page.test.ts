import { render, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import App from "../src/App.svelte";
import { type Fake, makeFake } from "../src/host/fake";
import { standIn } from "./browser";

let host: Fake;

beforeEach(() => {
  standIn();
  host = makeFake();
});

afterEach(() => vi.useRealTimers());

async function open(place: string) {
  location.hash = `#/${place}`;
  render(App, { host });
  await screen.findByText("Running");
}

const click = (name: string | RegExp, role = "button") => screen.getByRole(role, { name }).click();

test("the header follows the state, and its buttons fit it", async () => {
  await open("about");
  const button = (name: string) => screen.getByRole<HTMLButtonElement>("button", { name });
  expect(button("Start").disabled).toBe(true);
  click("Suspend");
  await screen.findByText("Suspended");
  expect(host.done).toEqual([{ do: "suspend" }]);
  expect(button("Suspend").disabled).toBe(true);
  expect(button("Start").disabled).toBe(false);
});

test("it says that the daemon is gone, and recovers", async () => {
  await open("about");
  host.become({ daemon: { link: "gone", message: "The daemon does not run." }, status: null });
  await screen.findByText("The daemon does not run.");
  host.becomeState("running");
  await waitFor(() => expect(screen.queryByText("The daemon does not run.")).toBeNull());
});

test("what failed in the tray is told once, also by a page that comes later", async () => {
  const error = { code: "vm-failed", message: "It does not suspend." } as const;
  host.complain(error);
  await open("about");
  await screen.findByText(error.message);
  expect(await host.complaint()).toBeNull();
  host.complain({ ...error, message: "It does not start." });
  await screen.findByText("It does not start.");
  expect(await host.complaint()).toBeNull();
});

test("what is removed is asked about, and kept when the answer is no", async () => {
  await open("containers");
  await screen.findByText("shop-web-1");
  click("Remove shop-web-1");
  await screen.findByText(/outside of volumes is lost/);
  click("Cancel");
  expect(host.done).toEqual([]);
  click("Remove shop-web-1");
  await screen.findByText(/outside of volumes is lost/);
  click("Remove");
  await waitFor(() => expect(screen.queryByText("shop-web-1")).toBeNull());
  expect(host.done).toEqual([{ do: "containers", ids: ["id-shop-web-1"], verb: "remove" }]);
});

test("one that is paused is killed by its removal, too, and that is said", async () => {
  await open("containers");
  const state = "paused";
  host.become({ containers: [{ ...host.view().containers![0]!, name: "held", state }] });
  await screen.findByText("held");
  click("Remove held");
  await screen.findByText(/It runs and is killed/);
});

test("what is done to a compose app is done to all of it, and asked about where it is lost", async () => {
  await open("containers");
  click("Stop all of shop");
  await screen.findByText("0 of 3 run");
  click("Start all of shop");
  await screen.findByText("3 of 3 run");
  click("Restart all of shop");
  click("Remove all of shop");
  const question = await screen.findByRole("dialog");
  await waitFor(() => expect(question.textContent).toContain("is lost"));
  const ids = ["id-shop-cache-1", "id-shop-db-1", "id-shop-web-1"];
  const verbs = host.done.map((action) => action.do === "containers" && action.verb);
  expect(verbs).toEqual(["stop", "start", "restart"]);
  within(question).getByRole("button", { name: "Remove" }).click();
  await waitFor(() => expect(screen.queryByText("shop")).toBeNull());
  expect(host.done.at(-1)).toEqual({ do: "containers", ids, verb: "remove" });
});

test("a restart of the VM is asked about, because containers may stay down", async () => {
  await open("about");
  click("Restart…");
  const question = await screen.findByRole("dialog");
  await waitFor(() => expect(question.textContent).toContain("without a restart policy stay down"));
  expect(host.done).toEqual([]);
  within(question).getByRole("button", { name: "Restart" }).click();
  await waitFor(() => expect(host.done).toEqual([{ do: "restart" }]));
});

const CANNOT = "The VM cannot be suspended, only shut down: its image was replaced by another one.";

function cannotSuspend() {
  const status = host.view().status!;
  host.become({ status: { ...status, vm: { ...status.vm, cannot_suspend: CANNOT } } });
}

test("a VM that cannot be suspended is shut down only after a question", async () => {
  await open("about");
  cannotSuspend();
  (await screen.findByRole("button", { name: "Suspend…" })).click();
  const question = await screen.findByRole("dialog");
  await waitFor(() => expect(question.textContent).toContain(CANNOT));
  expect(question.textContent).toContain("without a restart policy stay down");
  expect(host.done).toEqual([]);
  within(question).getByRole("button", { name: "Shut down" }).click();
  await screen.findByText("Stopped");
  expect(host.done).toEqual([{ do: "shut-down" }]);
});

test("what the tray asks for is asked where the window is", async () => {
  await open("about");
  cannotSuspend();
  host.show("ask/suspend");
  await screen.findByRole("heading", { name: "Shut the VM down?" });
  click("Cancel");
  host.show("ask/restart");
  await screen.findByRole("heading", { name: "Restart the VM?" });
  expect(location.hash).toBe("#/about");
  expect(host.done).toEqual([]);
});

test("a window that the tray opens for a question has it", async () => {
  await open("ask/restart");
  await screen.findByRole("heading", { name: "Restart the VM?" });
  expect(location.hash).toBe("#/containers");
  expect(host.done).toEqual([]);
});

test("a desktop without a tray has report and quit in the window", async () => {
  await open("about");
  click("Collect a report…");
  await waitFor(() => expect(host.done).toEqual([{ do: "diagnose" }]));
  click("Quit");
  expect(host.ended).toBe(true);
});

test("scaling down stops tasks, and is asked about", async () => {
  await open("swarm");
  const input = await screen.findByRole<HTMLInputElement>("spinbutton", {
    name: "Replicas of web",
  });
  input.value = "1";
  input.dispatchEvent(new Event("input", { bubbles: true }));
  click("Scale web");
  const question = await screen.findByRole("dialog");
  await waitFor(() => expect(question.textContent).toContain("2 tasks are stopped"));
  expect(host.done).toEqual([]);
  within(question).getByRole("button", { name: "Scale down" }).click();
  await waitFor(() => expect(host.done).toEqual([{ do: "scale", service: "web", replicas: 1 }]));
  await waitFor(() => expect(screen.queryByText("2: running")).toBeNull());
});

test("the focus stays with its container, whatever comes before it", async () => {
  await open("containers");
  const stop = await screen.findByRole("button", { name: "Stop shop-web-1" });
  stop.focus();
  const containers = host.view().containers!;
  const first = { ...containers[0]!, id: "id-shop-app-1", name: "shop-app-1" };
  host.become({ containers: [first, ...containers] });
  await screen.findByText("shop-app-1");
  expect(document.activeElement?.getAttribute("aria-label")).toBe("Stop shop-web-1");
  (document.activeElement as HTMLElement).click();
  await screen.findByRole("button", { name: "Start shop-web-1" });
  expect(document.activeElement?.getAttribute("aria-label")).toBe("Start shop-web-1");
  expect(host.done).toEqual([{ do: "containers", ids: ["id-shop-web-1"], verb: "stop" }]);
});

test("what comes twice is shown twice", async () => {
  const [one] = host.view().containers!;
  const ports = [
    { host: 53, container: 53 },
    { host: 53, container: 53 },
  ];
  // A label of compose that is empty is none.
  const others = ["", null].map((project) => ({ ...one!, id: `id-of-${project}`, project }));
  const status = host.view().status!;
  const degraded = ["port 53 is taken", "port 53 is taken"];
  host.become({
    containers: [{ ...one!, name: "dns", ports }, ...others],
    status: { ...status, degraded },
  });
  await open("containers");
  await screen.findByText("dns");
  expect(screen.getAllByRole("link", { name: /Open port 53 of dns/ })).toHaveLength(2);
  expect(screen.getAllByTestId("notice")).toHaveLength(2);
  expect(screen.getAllByText("On their own")).toHaveLength(1);
});

test("ports of a service that differ by their address only are shown", async () => {
  const swarm = await host.swarm();
  const port = { protocol: "tcp", published: 53, target: 53, mode: "host", error: null };
  swarm.status.services[0]!.ports = [port, { ...port, mode: "ingress" }];
  host.swarm = () => Promise.resolve(swarm);
  await open("swarm");
  expect(await screen.findAllByRole("link", { name: /Open port 53 of web/ })).toHaveLength(2);
});

test("a refusal is shown in the engine's words until it is put away", async () => {
  await open("containers");
  await screen.findByText("registry");
  host.failNext = { code: "engine-failed", message: "port is already allocated" };
  click("Stop registry");
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("port is already allocated");
  within(alert).getByRole("button", { name: "Dismiss" }).click();
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
});

test("ports open in the browser", async () => {
  await open("containers");
  await screen.findByText("shop-web-1");
  click("Open port 8080 of shop-web-1 in the browser", "link");
  expect(host.browsed).toEqual([8080]);
});

test("the tray's wish to restore is asked about first", async () => {
  await open("containers");
  host.show("snapshots/restore/clean");
  await screen.findByText("Restore clean?");
  expect(host.done).toEqual([]);
  click("Restore");
  await waitFor(() => expect(host.done).toEqual([{ do: "restore-snapshot", name: "clean" }]));
});

test("a service is scaled and its tasks follow", async () => {
  await open("swarm");
  const input = await screen.findByRole<HTMLInputElement>("spinbutton", {
    name: "Replicas of web",
  });
  input.value = "5";
  input.dispatchEvent(new Event("input", { bubbles: true }));
  click("Scale web");
  await screen.findByText("5: running");
  expect(host.done).toEqual([{ do: "scale", service: "web", replicas: 5 }]);
});

test("a debugger is attached and its session stopped, and edits show their milliseconds", async () => {
  await open("debug");
  await screen.findByText("There is no debug session.");
  host.show("debug/attach/shop-web-1");
  const session = await screen.findByRole("article", { name: "Session of shop-web-1" });
  expect(host.done).toEqual([{ do: "debug", target: "shop-web-1", pid: null }]);
  within(session).getByText("node inspect 127.0.0.1:9229");
  await screen.findByText("last save to new answer: 390 ms");
  screen.getByRole("img", {
    name: "Delivery 4.2 ms, Reload 117 ms, Program 268 ms (slowest)",
  });
  click("Open shop-web-1 in the editor");
  expect(host.done[1]).toEqual({ do: "edit", id: 1, folder: "/home/user/shop" });
  click("Stop debugging shop-web-1");
  await screen.findByText("There is no debug session.");
});

test("a first run starts the daemon, then the VM with what was typed, then the sample", async () => {
  host.become({ daemon: { link: "gone", message: "" }, status: null, containers: null });
  location.hash = "#/welcome";
  render(App, { host });
  const cpus = await screen.findByRole<HTMLInputElement>("textbox", { name: "CPUs" });
  expect(host.done).toEqual([{ do: "start-daemon" }]);
  const start = () => within(screen.getByRole("listitem", { name: "Start" })).getByRole("button");
  const type = (text: string) => {
    cpus.value = text;
    cpus.dispatchEvent(new Event("input", { bubbles: true }));
  };
  type("99");
  start().click();
  await screen.findByText(/must be a whole number from 1 to 8/);
  type("2");
  start().click();
  await screen.findByText(/^It runs, with/);
  click("Run the sample");
  await screen.findByText("localhost:8080");
  expect(host.done.slice(1)).toEqual([
    { do: "start" },
    { do: "run-sample", folder: "/home/user/coracle-sample" },
  ]);
});

test("settings tell the daemon's refusal, and that a restart is needed", async () => {
  await open("settings");
  const cpus = await screen.findByRole<HTMLInputElement>("textbox", { name: "CPUs" });
  const type = (text: string) => {
    cpus.value = text;
    cpus.dispatchEvent(new Event("input", { bubbles: true }));
  };
  type("99");
  await screen.findByText(/1 of which needs a restart/);
  click("Save");
  await screen.findByText(/must be a whole number from 1 to 8/);
  type("2");
  await screen.findByText(/1 of which needs a restart/);
  click("Save");
  await screen.findByText(/in effect when the VM restarts: CPUs\./);
  click("Restart now…");
  const question = await screen.findByRole("dialog");
  within(question).getByRole("button", { name: "Restart" }).click();
  await waitFor(() => expect(screen.queryByText(/in effect when the VM restarts/)).toBeNull());
  expect(host.done).toEqual([{ do: "restart" }]);
});

test("what the memory of a suspended VM may not fit is changed after a question", async () => {
  await open("settings");
  click("Suspend");
  await screen.findByText("Suspended");
  const cpus = await screen.findByRole<HTMLInputElement>("textbox", { name: "CPUs" });
  cpus.value = "2";
  cpus.dispatchEvent(new Event("input", { bubbles: true }));
  await screen.findByText(/1 of which needs a restart/);
  click("Save");
  const question = await screen.findByRole("dialog");
  expect(question.textContent).toMatch(/changed \(CPUs\).*what is in its memory is lost/);
  const kept = (await host.settings()).find((one) => one.key === "vm.cpus");
  expect(kept?.value).toBe(4);
  within(question).getByRole("button", { name: "Change" }).click();
  await screen.findByText("1 setting saved.");
  expect(screen.queryByRole("dialog")).toBeNull();
});

test("what another window changes of the settings is shown, and that it needs a restart", async () => {
  await open("settings");
  const cpus = await screen.findByRole<HTMLInputElement>("textbox", { name: "CPUs" });
  expect(cpus.value).toBe("4");
  await host.changeSettings([{ key: "vm.cpus", value: 2 }]);
  await screen.findByText(/in effect when the VM restarts: CPUs\./);
  await waitFor(() => expect(cpus.value).toBe("2"));
});

test("it starts at login when that is wanted", async () => {
  await open("settings");
  const box = await screen.findByRole<HTMLInputElement>("checkbox", { name: "Start at login" });
  expect(box.checked).toBe(false);
  box.click();
  await waitFor(() => expect(host.atLogin).toBe(true));
});

test("a start at login that fails is not shown as one that is set", async () => {
  host.startAtLogin = () => Promise.reject({ code: "failed", message: "The folder is read-only." });
  await open("settings");
  const box = await screen.findByRole<HTMLInputElement>("checkbox", { name: "Start at login" });
  box.click();
  expect((await screen.findByRole("alert")).textContent).toContain("read-only");
  expect(box.checked).toBe(false);
});

test("programs find the engine at the default socket when that is wanted", async () => {
  await open("settings");
  const name = "Docker's default socket";
  const box = await screen.findByRole<HTMLInputElement>("checkbox", { name });
  expect(box.checked).toBe(false);
  box.click();
  await waitFor(() => expect(host.defaultSocketAt.leads).toBe("here"));
  await waitFor(() => expect(box.ariaBusy).toBe("false"));
  expect(box.checked).toBe(true);
  box.click();
  await waitFor(() => expect(host.defaultSocketAt.leads).toBe("nowhere"));
});

test("a default socket that is another's is told, and stays when root's rights are not given", async () => {
  host.defaultSocketAt = { leads: "elsewhere", to: "/home/other/docker.sock", after_boot: false };
  const message = "Root's rights were not given, and nothing was changed.";
  host.turnDefaultSocket = () => Promise.reject({ code: "host", message });
  await open("settings");
  await screen.findByText("/home/other/docker.sock");
  const name = "Docker's default socket";
  const box = await screen.findByRole<HTMLInputElement>("checkbox", { name });
  box.click();
  expect((await screen.findByRole("alert")).textContent).toContain("not given");
  expect(box.checked).toBe(false);
});

test("root's rights that are not given in the end are told wherever somebody is then", async () => {
  let refuse = (_: unknown) => {};
  host.turnDefaultSocket = () => new Promise((_, rejected) => (refuse = rejected));
  await open("settings");
  (await screen.findByRole("checkbox", { name: "Docker's default socket" })).click();
  location.hash = "#/volumes";
  await screen.findByRole("heading", { name: "Volumes" });
  refuse({ code: "host", message: "Root's rights were not given." });
  await screen.findByText("Root's rights were not given.");
});

test("a switch shows what was changed elsewhere when the window is back in front", async () => {
  await open("settings");
  const name = "Docker's default socket";
  const box = await screen.findByRole<HTMLInputElement>("checkbox", { name });
  await waitFor(() => expect(box.checked).toBe(false));
  host.defaultSocketAt = { leads: "here", to: "/home/user/docker.sock", after_boot: false };
  window.dispatchEvent(new Event("focus"));
  await waitFor(() => expect(box.checked).toBe(true));
  await screen.findByText(/Until this computer boots again/);
});

test("the sample's page is told where the sample is", async () => {
  const [one] = host.view().containers!;
  const [project, folder] = ["first-sample", "/elsewhere/tried"];
  host.become({
    containers: [{ ...one!, project, folder, ports: [{ host: 8080, container: 80 }] }],
  });
  await open("welcome");
  await screen.findByText("/elsewhere/tried/page/index.html");
});

test("a log is followed and searched", async () => {
  await open("containers/logs/id-shop-web-1");
  await screen.findByText("40 lines");
  const search = screen.getByRole<HTMLInputElement>("searchbox");
  search.value = "/vote";
  search.dispatchEvent(new Event("input", { bubbles: true }));
  await screen.findByText("10 of 40 lines");
});

const endLogs = (error: string | null) =>
  host.logs.forEach((each) => each({ piece: "end", error }));

test("a log that has ended is followed again when its container runs again", async () => {
  await open("containers/logs/id-shop-web-1");
  await screen.findByText("40 lines");
  const containers = host.view().containers!;
  const exited = containers.map((one) => ({ ...one, state: "exited" }));
  const [first] = host.logs;
  endLogs(null);
  host.become({ containers: exited });
  const note = await screen.findByText("The log has ended.");
  expect(note.getAttribute("role")).toBe("status");
  vi.useFakeTimers({ shouldAdvanceTime: true });
  await vi.advanceTimersByTimeAsync(60_000);
  expect([...host.logs]).toEqual([first]);
  host.become({ containers });
  await vi.advanceTimersByTimeAsync(2000);
  expect(screen.queryByText("The log has ended.")).toBeNull();
  expect(host.logs.size).toBe(1);
  expect(host.logs.has(first!)).toBe(false);
  // From its beginning, and not once more after what was there.
  screen.getByText("40 lines");
});

test("a log is followed again when the daemon is back, and when somebody wants it", async () => {
  await open("logs/daemon");
  await screen.findByText("40 lines");
  endLogs("The daemon is gone.");
  const { status } = host.view();
  host.become({ daemon: { link: "gone", message: "" }, status: null });
  await screen.findByText("The daemon is gone.");
  const [first] = host.logs;
  click("Follow again");
  await waitFor(() => expect(host.logs.has(first!)).toBe(false));
  endLogs("The daemon is still gone.");
  await screen.findByText("The daemon is still gone.");
  host.become({ daemon: { link: "connected" }, status });
  await waitFor(() => expect(screen.queryByText(/gone/)).toBeNull(), { timeout: 3000 });
  screen.getByText("40 lines");
});

test("a log that cannot be read is tried a few times and no more", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  let tries = 0;
  host.follow = () => {
    tries++;
    return Promise.reject({ code: "engine-failed", message: "It keeps no log." });
  };
  await open("containers/logs/id-shop-web-1");
  await vi.advanceTimersByTimeAsync(300_000);
  expect(tries).toBe(6);
  screen.getByText("It keeps no log.");
});
