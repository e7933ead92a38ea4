// Containers as rows: a heading for each compose app, then its containers.

import type { Container } from "./host/types";
import { isRunning } from "./words";

export type Row =
  | {
      kind: "group";
      key: string;
      project: string | null;
      /** Those that a filter hides, too: what is done to the app is done to all. */
      all: Container[];
      running: number;
    }
  | { kind: "container"; key: string; container: Container };

/** Those whose name, image or project contains the text; `closed` projects show their heading only. */
export function rows(containers: Container[], text: string, closed: ReadonlySet<string>): Row[] {
  const wanted = text.trim().toLowerCase();
  const groups = new Map<string | null, { all: Container[]; shown: Container[] }>();
  for (const container of containers) {
    const { name, image } = container;
    // A label that is empty is none.
    const project = container.project || null;
    const group = groups.get(project) ?? { all: [], shown: [] };
    groups.set(project, group);
    group.all.push(container);
    if ([name, image, project ?? ""].some((part) => part.toLowerCase().includes(wanted))) {
      group.shown.push(container);
    }
  }
  const found: Row[] = [];
  for (const [project, { all, shown }] of groups) {
    if (shown.length === 0) continue;
    const running = all.filter(isRunning).length;
    found.push({ kind: "group", key: `group-${project ?? ""}`, project, all, running });
    if (closed.has(project ?? "")) continue;
    for (const container of shown) found.push({ kind: "container", key: container.id, container });
  }
  return found;
}
