import { render, screen, waitFor } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import App from "../src/App.svelte";
import { BESIDES, MOST, TURN_MS } from "../src/busiest";
import { type Fake, makeFake } from "../src/host/fake";
import { many } from "../src/host/fake-engine";
import { standIn } from "./browser";

// It draws on a canvas, which there is none of.
vi.mock("../src/parts/Plot.svelte", () => ({ default: () => {} }));

let host: Fake;

beforeEach(() => {
  standIn();
  host = makeFake();
});

afterEach(() => vi.useRealTimers());

test("of very many containers the busiest are added up, and that is said", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  location.hash = "#/usage";
  host.become({ containers: many(MOST) });
  const page = render(App, { host });
  await screen.findByText(`${MOST} containers together`);
  await waitFor(() => expect(host.watched.size).toBe(MOST));
  host.become({ containers: many(240) });
  await screen.findByText(`The busiest ${MOST} of 240 containers together`);
  await vi.advanceTimersByTimeAsync(TURN_MS);
  await waitFor(() => expect(host.watched.size).toBe(MOST + BESIDES));
  page.unmount();
  await waitFor(() => expect(host.watched.size).toBe(0));
});

test("the list says whose usage it has", async () => {
  location.hash = "#/containers";
  host.become({ containers: many(240) });
  const page = render(App, { host });
  await screen.findByText(`240 containers, with what the busiest ${MOST} take`);
  host.become({ containers: many(MOST) });
  await screen.findByText(`${MOST} containers`);
  page.unmount();
});

test("the busiest come to be among those that are added up, wherever they stand", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const tell = host.usage.bind(host);
  const wanted = "id-app-023-web-9";
  host.usage = (id, each) =>
    tell(id, (usage) => each({ ...usage, cpu_percent: id === wanted ? 90 : 1 }));
  location.hash = "#/containers";
  host.become({ containers: many(240) });
  const page = render(App, { host });
  await waitFor(() => expect(host.watched.size).toBe(MOST + BESIDES));
  expect(host.watched.has(wanted)).toBe(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(host.watched.has(wanted)).toBe(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(host.watched.has(wanted), "it stays").toBe(true);
  page.unmount();
});
