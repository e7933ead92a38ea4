// Edits on their way: from the lines that the daemon tells to saves with their stages.

import type { WatchedContainer, WatchLine, WatchStage } from "./host/types";

/** Saves that are kept, the newest first. */
export const KEPT = 50;

/** What became of a save in one container. */
export interface Arrival {
  container: string;
  /** Milliseconds from the save until each; null until it is known, or where there is nothing to wait for. */
  reloadedMs: number | null;
  answeredMs: number | null;
  /** What the container's label asked for, or why that failed. */
  reload: string | null;
  address: string | null;
  slowest: WatchStage | null;
  /** Whether the page has stayed what it was. */
  unchanged: boolean;
}

export interface Save {
  /** The daemon's number, which begins anew with each start of the VM. */
  number: number;
  /** Grows with every save. */
  key: number;
  paths: string[];
  overflow: boolean;
  deliveredMs: number;
  arrivals: Arrival[];
}

export interface Edits {
  watched: WatchedContainer[];
  saves: Save[];
  missed: number;
}

export const NO_EDITS: Edits = { watched: [], saves: [], missed: 0 };

/** What is known after one more line. */
export function follow(edits: Edits, line: WatchLine): Edits {
  switch (line.step) {
    case "watching":
      return { ...edits, watched: line.containers };
    case "delivered": {
      const save: Save = {
        number: line.save,
        key: (edits.saves[0]?.key ?? 0) + 1,
        paths: line.paths,
        overflow: line.overflow,
        deliveredMs: line.delivered_ms,
        arrivals: line.containers.map((container) => ({
          container,
          reloadedMs: null,
          answeredMs: null,
          reload: null,
          address: null,
          slowest: null,
          unchanged: false,
        })),
      };
      return { ...edits, saves: [save, ...edits.saves].slice(0, KEPT) };
    }
    case "reloaded":
      return change(edits, line.save, line.container, {
        reloadedMs: line.reloaded_ms,
        reload: line.error ? `${line.action} failed: ${line.error}` : line.action,
      });
    case "answered":
      return change(edits, line.save, line.container, {
        answeredMs: line.answered_ms,
        address: line.address,
        slowest: line.slowest,
      });
    case "unchanged":
      return change(edits, line.save, line.container, { address: line.address, unchanged: true });
    case "missed":
      return { ...edits, missed: edits.missed + line.steps };
  }
}

/** Numbers repeat after a start of the VM: the newest save of that number is meant. */
function change(
  edits: Edits,
  number: number | null,
  container: string,
  told: Partial<Arrival>,
): Edits {
  const at = edits.saves.findIndex(
    (save) =>
      (number === null || save.number === number) &&
      save.arrivals.some((one) => one.container === container),
  );
  const found = edits.saves[at];
  if (!found) return edits;
  const arrivals = found.arrivals.map((one) =>
    one.container === container ? { ...one, ...told } : one,
  );
  const saves = [...edits.saves];
  saves[at] = { ...found, arrivals };
  return { ...edits, saves };
}

export interface Part {
  name: string;
  stage: WatchStage;
  ms: number;
}

/** An edit's way, part after part: what each took. */
export function parts(save: Save, arrival: Arrival): Part[] {
  const found: Part[] = [{ name: "Delivery", stage: "delivery", ms: save.deliveredMs }];
  let reached = save.deliveredMs;
  if (arrival.reloadedMs !== null) {
    found.push({ name: "Reload", stage: "reload", ms: Math.max(0, arrival.reloadedMs - reached) });
    reached = arrival.reloadedMs;
  }
  if (arrival.answeredMs !== null) {
    const ms = Math.max(0, arrival.answeredMs - reached);
    found.push({ name: "Program", stage: "program", ms });
  }
  return found;
}

/** One digit where it says something. */
export function milliseconds(ms: number): string {
  return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
}

/** The last file by its name, and how many others. */
export function files(save: Save): string {
  const last = save.paths.at(-1);
  if (last === undefined) return "files";
  if (save.overflow) return `very many files below ${last}`;
  const name = last.split("/").pop() || last;
  const others = save.paths.length - 1;
  return others === 0 ? name : `${name} and ${others} ${others === 1 ? "other" : "others"}`;
}
