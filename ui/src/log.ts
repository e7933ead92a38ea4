// The lines of a log, as many as are kept.

import type { Rows } from "./visible";

/** How many lines are kept: older ones go. */
export const KEPT = 100_000;

// Colours and cursor movements of terminals.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007]*\u0007)|\r/g;

export class LogLines {
  private lines: string[] = [];
  private found: string[] = [];
  private wanted = "";

  /** Adds text of whole lines. */
  add(text: string) {
    const lines = text.replace(ESCAPES, "").split("\n");
    if (lines.at(-1) === "") lines.pop();
    for (const line of lines) {
      this.lines.push(line);
      if (this.wanted && line.toLowerCase().includes(this.wanted)) this.found.push(line);
    }
    // A tenth at once, because cutting moves all the rest.
    if (this.lines.length > KEPT * 1.1) {
      this.lines = this.lines.slice(-KEPT);
      this.search(this.wanted);
    }
  }

  /** From now on only lines with this text are shown. */
  search(text: string) {
    this.wanted = text.toLowerCase();
    this.found = this.wanted
      ? this.lines.filter((line) => line.toLowerCase().includes(this.wanted))
      : [];
  }

  /** Those there are now. No copy, of which each frame of a log that grows would make one. */
  shown(): Rows<string> {
    const lines = this.wanted ? this.found : this.lines;
    const length = lines.length;
    return { length, slice: (from, to) => lines.slice(from, Math.min(to, length)) };
  }

  get total(): number {
    return this.lines.length;
  }
}

/** A line in parts, every second of which is what was searched for. */
export function parts(line: string, wanted: string): string[] {
  if (!wanted) return [line];
  const found: string[] = [];
  const lower = line.toLowerCase();
  let from = 0;
  for (;;) {
    const at = lower.indexOf(wanted.toLowerCase(), from);
    if (at < 0) break;
    found.push(line.slice(from, at), line.slice(at, at + wanted.length));
    from = at + wanted.length;
  }
  found.push(line.slice(from));
  return found;
}
