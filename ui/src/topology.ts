// Where services, nodes and tasks of a swarm stand in its picture.

import type { Swarm, SwarmNode, SwarmService, SwarmTask } from "./host/types";

export const TASK = 22;
const GAP = 6;
/** Tasks beside each other in a node. */
const ROW = 10;
const HEAD = 46;
const FOOT = 12;
const BETWEEN = 14;
const SERVICE_HEIGHT = 44;

export const WIDTH = 860;
export const SERVICE_WIDTH = 230;
export const NODE_X = 540;
export const NODE_WIDTH = WIDTH - NODE_X;

export interface Placed<T> {
  of: T;
  x: number;
  y: number;
  height: number;
}

export interface PlacedTask {
  of: SwarmTask;
  /** How it goes, as colours tell it. */
  tone: "good" | "moves" | "bad" | "leaves";
  x: number;
  y: number;
}

export interface Picture {
  height: number;
  services: Placed<SwarmService>[];
  /** The last one, without a node, is where tasks wait that none has taken. */
  nodes: Placed<SwarmNode | null>[];
  tasks: PlacedTask[];
}

export function tone({ state, desired }: SwarmTask): PlacedTask["tone"] {
  if (state === "failed" || state === "rejected") return "bad";
  if (desired !== "running" && desired !== "ready" && desired !== "complete") return "leaves";
  return state === "running" ? "good" : "moves";
}

/** The same swarm always gives the same picture, so that what has not changed does not move. */
export function picture(swarm: Swarm): Picture {
  const known = new Set(swarm.nodes.map((node) => node.id));
  const placeOf = (task: SwarmTask) => (task.node && known.has(task.node) ? task.node : null);
  const waiting = swarm.tasks.some((task) => placeOf(task) === null);
  const places: (SwarmNode | null)[] = waiting ? [...swarm.nodes, null] : swarm.nodes;

  const nodes: Placed<SwarmNode | null>[] = [];
  const tasks: PlacedTask[] = [];
  let y = 0;
  for (const node of places) {
    const here = swarm.tasks.filter((task) => placeOf(task) === (node?.id ?? null));
    here.forEach((task, index) => {
      const x = NODE_X + FOOT + (index % ROW) * (TASK + GAP);
      const top = y + HEAD + Math.floor(index / ROW) * (TASK + GAP);
      tasks.push({ of: task, tone: tone(task), x, y: top });
    });
    const rows = Math.max(1, Math.ceil(here.length / ROW));
    const height = HEAD + rows * (TASK + GAP) - GAP + FOOT;
    nodes.push({ of: node, x: NODE_X, y, height });
    y += height + BETWEEN;
  }
  const services = swarm.status.services.map((service, index) => ({
    of: service,
    x: 0,
    y: index * (SERVICE_HEIGHT + BETWEEN),
    height: SERVICE_HEIGHT,
  }));
  const below = services.length * (SERVICE_HEIGHT + BETWEEN);
  return { height: Math.max(y, below, BETWEEN) - BETWEEN, services, nodes, tasks };
}

/** Whether something is on its way, so that it is worth looking again soon. */
export function moves(swarm: Swarm): boolean {
  const updates = swarm.status.services.some((service) => service.update === "updating");
  return updates || swarm.tasks.some((task) => ["moves", "leaves"].includes(tone(task)));
}
