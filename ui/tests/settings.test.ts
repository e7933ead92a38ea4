import { expect, test } from "vitest";
import type { Setting } from "../src/host/types";
import { groups, kind, label, text, value } from "../src/settings";

const setting = (key: string, value: unknown): Setting => ({
  key,
  value,
  default: value,
  description: "",
  needs_restart: false,
});

test("what stands in a field means the value it came from", () => {
  for (const one of [4, "http://p", ["/a", "/b"], { debug: true }, true]) {
    const made = setting("x", one);
    expect(value(made, text(made))).toEqual(one);
  }
  expect(kind(setting("x", []))).toBe("lines");
});

test("what means nothing is refused with a sentence", () => {
  expect(() => value(setting("vm.cpus", 4), "four")).toThrow("CPUs must be a whole number");
  expect(() => value(setting("engine.config", {}), "{")).toThrow("daemon.json is not JSON");
});

test("a setting that is not known here is shown all the same", () => {
  const found = groups([setting("vm.cpus", 1), setting("new.thing", 1)]);
  expect(found.map((group) => group.title)).toEqual(["Virtual machine", "Other"]);
});

test("the address of published ports is a field of its own group", () => {
  const address = setting("ports.address", "");
  expect(groups([address])[0]?.title).toBe("Published ports");
  expect(label(address)).toBe("Address for ports that name none");
  expect(kind(address)).toBe("text");
  expect(value(address, "127.0.0.1")).toBe("127.0.0.1");
});
