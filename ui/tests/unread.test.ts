import { render, screen, waitFor } from "@testing-library/svelte";
import { beforeEach, expect, test } from "vitest";
import App from "../src/App.svelte";
import { type Fake, makeFake } from "../src/host/fake";
import { standIn } from "./browser";

let host: Fake;

beforeEach(() => {
  standIn();
  host = makeFake();
});

function open(place: string) {
  location.hash = `#/${place}`;
  return render(App, { host });
}

const ASLEEP = [
  ["containers", "shop-web-1"],
  ["images", "postgres:17"],
  ["images/history/sha256:shopweblatest", /npm ci/],
  ["images/inspect/sha256:shopweblatest", "47 lines"],
  ["volumes", "shop_old"],
  ["networks", "trial"],
  ["swarm", "1: running"],
  ["containers/files/id-shop-web-1", "/app/uploads/photo.jpg"],
  ["containers/inspect/id-shop-web-1", "47 lines"],
] as const;

const SLEEPS = ["running", "suspended"] as const;

for (const [place, shown, state] of SLEEPS.flatMap((state) =>
  ASLEEP.map(([place, shown]) => [place, shown, state] as const),
)) {
  test(`${place}: a VM that sleeps, ${state}, is woken when somebody wants to see it`, async () => {
    host.becomeState(state, true);
    host.become({ containers: null });
    open(place);
    const wake = await screen.findByRole("button", { name: "Wake and show" });
    expect(screen.getByTestId("state").textContent).toContain("Asleep");
    wake.click();
    await screen.findAllByText(shown);
    await screen.findByText("Running");
  });
}

test("usage: a VM that sleeps is woken when its containers are not known", async () => {
  host.becomeState("running", true);
  host.become({ containers: null });
  const page = open("usage");
  (await screen.findByRole("button", { name: "Wake and show" })).click();
  await screen.findByText("Running");
  await waitFor(() => expect(screen.queryByRole("button", { name: "Wake and show" })).toBeNull());
  page.unmount();
});

test("without a VM nothing is said of containers that are not known", async () => {
  host.becomeState("suspended");
  for (const tab of ["terminal", "usage", "files", "inspect"]) {
    const page = open(`containers/${tab}/id-shop-web-1`);
    await screen.findByText(/^Start the VM to see/);
    expect(screen.queryByText(/no such container|does not run|looked up/)).toBeNull();
    page.unmount();
  }
});

test("a container that is gone is told from one that stands still", async () => {
  open("containers/usage/id-nobody");
  await screen.findByText("There is no such container.");
  host.become({ daemon: { link: "silent", message: "It hangs." }, status: null, containers: null });
  await screen.findByText(/the container cannot be read/);
});

test("what could not be read is read again when that is wanted", async () => {
  const images = host.images;
  host.images = () => Promise.reject({ code: "engine-failed", message: "The engine is busy." });
  open("images");
  expect((await screen.findByRole("alert")).textContent).toContain("busy");
  host.images = images;
  screen.getByRole("button", { name: "Look again" }).click();
  await screen.findByText("postgres:17");
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
});
