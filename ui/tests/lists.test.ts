import { expect, test } from "vitest";
import { rows } from "../src/groups";
import { makeFake } from "../src/host/fake";
import { KEPT, LogLines, parts } from "../src/log";
import { visible } from "../src/visible";

function all(lines: LogLines): string[] {
  const shown = lines.shown();
  return shown.slice(0, shown.length);
}

test("containers stand under their app, those without one last", () => {
  const { containers } = makeFake().view();
  const keys = rows(containers!, "", new Set(["voting-app"])).map((row) => row.key);
  expect(keys).toEqual([
    "group-shop",
    "id-shop-cache-1",
    "id-shop-db-1",
    "id-shop-web-1",
    "group-voting-app",
    "group-",
    "id-eager_turing",
    "id-registry",
  ]);
});

test("a filter looks at names, images and apps", () => {
  const { containers } = makeFake().view();
  const keys = rows(containers!, "postgres", new Set()).map((row) => row.key);
  expect(keys).toEqual(["group-shop", "id-shop-db-1", "group-voting-app", "id-voting-app-db-1"]);
});

test("what is done to an app is done to what a filter hides of it, too", () => {
  const { containers } = makeFake().view();
  const [shop] = rows(containers!, "postgres", new Set());
  expect(shop?.kind === "group" && shop.all.map((one) => one.name)).toEqual([
    "shop-cache-1",
    "shop-db-1",
    "shop-web-1",
  ]);
});

test("only what is on the screen is made, however long the list", () => {
  const [first, last] = visible(50_000 * 19, 600, 19, 100_000);
  expect(first).toBeLessThanOrEqual(50_000);
  expect(last).toBeGreaterThanOrEqual(50_000 + 600 / 19);
  expect(last - first).toBeLessThan(60);
  expect(visible(900, 600, 44, 3)).toEqual([3, 3]);
});

test("a log keeps its last lines, without colours", () => {
  const lines = new LogLines();
  lines.add("\u001b[31mred\u001b[0m\r\n");
  expect(all(lines)).toEqual(["red"]);
  lines.add("x\n".repeat(KEPT * 1.2));
  expect(lines.total).toBe(KEPT);
  expect(all(lines)).not.toContain("red");
});

test("each line is found again in what came in pieces of any size", () => {
  const lines = new LogLines();
  let next = 0;
  for (const count of [1, 3, 5000, 2, KEPT, 7, 30_000, 1, 1]) {
    const some = Array.from({ length: count }, () => `line ${next++}\n`);
    // The last line of some has no end.
    lines.add(some.join("").slice(0, count === 7 ? -1 : undefined));
  }
  expect(lines.total).toBeGreaterThanOrEqual(KEPT);
  const first = next - lines.total;
  const kept = Array.from({ length: lines.total }, (_, row) => `line ${first + row}`);
  expect(all(lines)).toEqual(kept);
  lines.search("E 12");
  expect(all(lines)).toEqual(kept.filter((line) => line.includes("e 12")));
  // What goes is found no more.
  lines.add("another\n".repeat(KEPT));
  expect(lines.total).toBe(KEPT);
  expect(all(lines)).toEqual([]);
  lines.search("");
  expect(lines.shown().slice(0, 2)).toEqual(["another", "another"]);
});

test("letters of any alphabet are found and shown as they came", () => {
  const lines = new LogLines();
  const some = ["\ufeffnaïve", "日本語 12", "🦀 crab", "", "Ω 12"];
  // More than one piece of them.
  for (let time = 0; time < 2000; time++) lines.add(`${some.join("\n")}\n`);
  expect(all(lines)).toEqual(Array.from({ length: 2000 }, () => some).flat());
  for (const [wanted, found] of [
    [" 12", ["日本語 12", "Ω 12"]],
    ["ω", ["Ω 12"]],
    ["🦀", ["🦀 crab"]],
    ["Ï", ["\ufeffnaïve"]],
  ] as const) {
    lines.search(wanted);
    expect(all(lines)).toEqual(Array.from({ length: 2000 }, () => found).flat());
  }
});

test("what is searched for are letters and no pattern", () => {
  const lines = new LogLines();
  lines.add("GET /a.b?c=[1]\n\nGET /axb\na.b a.b\n");
  for (const [wanted, found] of [
    ["a.b", ["GET /a.b?c=[1]", "a.b a.b"]],
    ["?C=[1]", ["GET /a.b?c=[1]"]],
    ["get", ["GET /a.b?c=[1]", "GET /axb"]],
    ["^", []],
  ] as const) {
    lines.search(wanted);
    expect(all(lines)).toEqual(found);
  }
});

test("a search finds in what is there and in what comes", () => {
  const lines = new LogLines();
  const before = lines.shown();
  lines.add("one Two\nthree\n");
  expect(before.slice(0, 9)).toEqual([]);
  lines.search("two");
  lines.add("TWO more\nfour\n");
  expect(all(lines)).toEqual(["one Two", "TWO more"]);
  lines.search("");
  expect(lines.shown().length).toBe(4);
  expect(parts("a TWO b two", "two")).toEqual(["a ", "TWO", " b ", "two", ""]);
});
