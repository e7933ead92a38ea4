// Containers as rows: a heading for each compose app, then its containers.

import type { Container } from "./host/types";
import { isRunning } from "./words";

export type Row =
  | { kind: "group"; key: string; project: string | null; all: Container[]; running: number }
  | { kind: "container"; key: string; container: Container };

/** Those whose name, image or project contains the text; `closed` projects show their heading only. */
export function rows(containers: Container[], text: string, closed: ReadonlySet<string>): Row[] {
  const wanted = text.trim().toLowerCase();
  const groups = new Map<string | null, Container[]>();
  for (const container of containers) {
    const { name, image } = container;
    // A label that is empty is none.
    const project = container.project || null;
    if (![name, image, project ?? ""].some((part) => part.toLowerCase().includes(wanted))) continue;
    const group = groups.get(project);
    if (group) group.push(container);
    else groups.set(project, [container]);
  }
  const found: Row[] = [];
  for (const [project, all] of groups) {
    const running = all.filter(isRunning).length;
    found.push({ kind: "group", key: `group-${project ?? ""}`, project, all, running });
    if (closed.has(project ?? "")) continue;
    for (const container of all) found.push({ kind: "container", key: container.id, container });
  }
  return found;
}
