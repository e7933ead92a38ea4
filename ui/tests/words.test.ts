import { expect, test } from "vitest";
import { makeFake } from "../src/host/fake";
import type { View } from "../src/host/types";
import { containerState, mood, size, stateWords } from "../src/words";

function viewOf(change: Partial<View>): View {
  return { ...makeFake().view(), ...change };
}

test("every link has its mood and words", () => {
  const of = (change: Partial<View>) => {
    const view = viewOf(change);
    return [mood(view), stateWords(view)];
  };
  expect(of({})).toEqual(["running", "Running"]);
  expect(of({ daemon: { link: "gone", message: "" }, status: null })).toEqual([
    "stopped",
    "Stopped",
  ]);
  expect(of({ daemon: { link: "foreign", message: "" } })).toEqual([
    "error",
    "The daemon is of another version",
  ]);
  expect(of({ doing: { stage: null, message: "suspending" } })).toEqual(["starting", "Suspending"]);
});

test("a state has no times, and an exit has its code", () => {
  const containers = makeFake().view().containers!;
  const of = (state: string, status: string) =>
    containerState({ ...containers[0]!, state, status });
  expect(of("running", "Up 3 minutes")).toBe("running");
  expect(of("running", "Up 3 minutes (unhealthy)")).toBe("running, unhealthy");
  expect(of("exited", "Exited (137) 2 hours ago")).toBe("exited with 137");
  expect(of("exited", "Exited (0) 2 hours ago")).toBe("exited");
});

test("sizes are in the unit that leaves at least one", () => {
  expect([0, 1023, 1536, 2 ** 30].map(size)).toEqual(["0 B", "1023 B", "1.5 KiB", "1 GiB"]);
});
