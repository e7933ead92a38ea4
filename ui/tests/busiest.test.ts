import { expect, test } from "vitest";
import { BESIDES, Busiest, MOST, TURN_MS } from "../src/busiest";

const ids = (count: number) => Array.from({ length: count }, (_, index) => `id-${index}`);

/** Some turns, in which each that is looked at takes so much; those shown at the end. */
function after(turns: number, busiest: Busiest, all: string[], takes: (id: string) => number) {
  let shown: readonly string[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const chosen = busiest.of(all, from_ms + turn * TURN_MS);
    shown = chosen.shown;
    for (const id of [...shown, ...chosen.besides]) busiest.saw(id, takes(id));
    expect(shown.length).toBe(Math.min(all.length, MOST));
    expect(chosen.besides.length).toBe(Math.min(all.length - shown.length, BESIDES));
  }
  from_ms += turns * TURN_MS;
  return shown;
}

let from_ms = 0;

test("few are all looked at, in their order", () => {
  const all = ids(MOST);
  expect(new Busiest().of(all, 0)).toEqual({ shown: all, besides: [] });
});

test("the busiest are found wherever they stand, and again when they change", () => {
  const busiest = new Busiest();
  const all = ids(240);
  const turns = Math.ceil((240 - MOST) / BESIDES) + 1;
  expect(after(turns, busiest, all, (id) => (id === "id-239" ? 50 : 1))).toContain("id-239");
  const shown = after(turns + 1, busiest, all, (id) => (id === "id-200" ? 90 : 1));
  expect(shown).toContain("id-200");
});

test("of those that take the same, the same stay", () => {
  const busiest = new Busiest();
  const all = ids(240);
  let noise = 0;
  const takes = () => 0.1 * (noise++ % 4);
  const first = after(1, busiest, all, takes);
  expect(after(20, busiest, all, takes)).toEqual(first);
});

test("within a turn only what comes and goes changes it", () => {
  const busiest = new Busiest();
  const all = ids(240);
  const { shown, besides } = busiest.of(all, 0);
  for (const id of besides) busiest.saw(id, 99);
  expect(busiest.of(all, TURN_MS - 1)).toEqual({ shown, besides });
  const less = all.slice(1);
  const now = busiest.of(less, TURN_MS - 1);
  expect(now.shown).toEqual(less.slice(0, MOST));
  expect(busiest.of(less, TURN_MS).shown).toEqual(expect.arrayContaining([...besides]));
});
