import { expect, test } from "vitest";
import { type Edits, files, follow, KEPT, milliseconds, NO_EDITS, parts } from "../src/edits";
import type { WatchLine } from "../src/host/types";

const delivered = (save: number, ...containers: string[]): WatchLine => ({
  step: "delivered",
  save,
  paths: ["/p/a.css", "/p/b.js"],
  overflow: false,
  containers,
  seen_ms: null,
  delivered_ms: 4,
});
const all = (...lines: WatchLine[]): Edits => lines.reduce(follow, NO_EDITS);

test("a save has what each part of its way took", () => {
  const edits = all(
    delivered(7, "web", "worker"),
    {
      step: "reloaded",
      save: 7,
      container: "web",
      action: "restart",
      reloaded_ms: 100,
      error: null,
    },
    {
      step: "answered",
      save: 7,
      container: "web",
      address: "127.0.0.1:80",
      answered_ms: 350,
      slowest: "program",
      slowest_ms: 250,
    },
  );
  const [save] = edits.saves;
  const [web, worker] = save!.arrivals;
  expect(parts(save!, web!).map((one) => [one.stage, one.ms])).toEqual([
    ["delivery", 4],
    ["reload", 96],
    ["program", 250],
  ]);
  expect(web!.slowest).toBe("program");
  expect(parts(save!, worker!)).toHaveLength(1);
  expect(files(save!)).toBe("b.js and 1 other");
});

test("numbers that begin anew mean the newest save", () => {
  const edits = all(delivered(1, "web"), delivered(1, "web"), {
    step: "unchanged",
    save: 1,
    container: "web",
    address: "127.0.0.1:80",
    waited_ms: 30_000,
  });
  expect(edits.saves.map((save) => save.arrivals[0]!.unchanged)).toEqual([true, false]);
});

test("what failed is told, and only the last saves are kept", () => {
  const lines = Array.from({ length: KEPT + 5 }, (_, index) => delivered(index, "web"));
  const edits = all(
    ...lines,
    {
      step: "reloaded",
      save: null,
      container: "web",
      action: "restart",
      reloaded_ms: 9,
      error: "no such process",
    },
    { step: "missed", steps: 3 },
  );
  expect(edits.saves).toHaveLength(KEPT);
  expect(edits.saves[0]!.arrivals[0]!.reload).toBe("restart failed: no such process");
  expect(edits.missed).toBe(3);
  expect([milliseconds(3.14), milliseconds(389.7)]).toEqual(["3.1 ms", "390 ms"]);
});
