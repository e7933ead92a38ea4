// What states, sizes and times are called.

import type { Container, View, VmState } from "./host/types";

export type Mood = "stopped" | "starting" | "running" | "asleep" | "degraded" | "error";

const STATES: Record<VmState, string> = {
  stopped: "Stopped",
  suspended: "Suspended",
  booting: "Booting",
  "engine-starting": "Engine starts",
  running: "Running",
  stopping: "Stopping",
  failed: "Failed",
};

/** The same as the tray's. */
export function mood(view: View): Mood {
  if (view.daemon.link === "silent" || view.daemon.link === "foreign") return "error";
  if (view.doing) return "starting";
  const vm = view.status?.vm;
  if (view.daemon.link !== "connected" || !vm) return "stopped";
  switch (vm.state) {
    case "booting":
    case "engine-starting":
    case "stopping":
      return "starting";
    case "failed":
      return "error";
    case "suspended":
      return vm.asleep ? "asleep" : "stopped";
    case "running":
      if (vm.asleep) return "asleep";
      return view.status?.degraded.length ? "degraded" : "running";
    default:
      return "stopped";
  }
}

export function stateWords(view: View): string {
  if (view.doing) return capital(view.doing.message);
  switch (view.daemon.link) {
    case "looking":
      return "Looking for the daemon";
    case "gone":
      return "Stopped";
    case "silent":
      return "The daemon does not answer";
    case "foreign":
      return "The daemon is of another version";
  }
  const vm = view.status?.vm;
  if (!vm) return "Connected";
  if ((vm.state === "running" || vm.state === "suspended") && vm.asleep)
    return "Asleep until it is used";
  return STATES[vm.state];
}

/** The engine's words without the times, which grow old unseen. */
export function containerState(container: Container): string {
  const exit = /^Exited \((\d+)\)/.exec(container.status);
  if (container.state === "exited" && exit) {
    return exit[1] === "0" ? "exited" : `exited with ${exit[1]}`;
  }
  const health = /\((healthy|unhealthy|health: starting)\)/.exec(container.status);
  if (container.state === "running" && health) return `running, ${health[1]}`;
  return container.state;
}

export function isRunning(container: Container): boolean {
  return ["running", "paused", "restarting"].includes(container.state);
}

export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit + 1 < units.length) {
    bytes /= 1024;
    unit++;
  }
  return `${unit === 0 ? bytes : Number(bytes.toFixed(1))} ${units[unit]}`;
}

/** Bytes a second. */
export function rate(bytes: number): string {
  return `${size(Math.round(bytes))}/s`;
}

export function percent(value: number): string {
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} %`;
}

export function time(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(undefined, {
    dateStyle: "medium",
    timeStyle: "short",
  });
}

export function day(seconds: number): string {
  return new Date(seconds * 1000).toLocaleDateString(undefined, { dateStyle: "medium" });
}

/** As a clock shows it. */
export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString(undefined, {
    hour: "2-digit",
    minute: "2-digit",
  });
}

export function count(number: number, one: string, several = `${one}s`): string {
  return `${number} ${number === 1 ? one : several}`;
}

/** The first of them, and how many more. */
export function listed(names: readonly string[]): string {
  const more = names.length - 5;
  return more > 0 ? `${names.slice(0, 5).join(", ")} and ${more} more` : names.join(", ");
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
