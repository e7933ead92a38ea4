// The lines of a log, as many as are kept.

import type { Rows } from "./visible";

/** How many lines are kept: older ones go. */
export const KEPT = 100_000;

// Colours and cursor movements of terminals.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007]*\u0007)|\r/g;

// What means something in a regular expression.
const SPECIAL = /[.*+?^${}()|[\]\\]/g;

/** Lines that came together, in one string: a string for each would take as much again as its letters. */
interface Piece {
  /** The number of the first, counted from the log's beginning. */
  first: number;
  /** Each line with its end. */
  text: string;
  /** Where each line begins. */
  starts: number[];
}

/** Letters from which on what comes is a piece of its own. */
const PIECE = 16_384;

export class LogLines {
  private pieces: Piece[] = [];
  /** How many lines there were that are not kept any more. */
  private gone = 0;
  /** The number of the line that comes next. */
  private next = 0;
  /** Finds what is wanted, without a copy of each line. */
  private wanted: RegExp | null = null;
  /** Numbers of the lines with it. */
  private found: number[] = [];

  /** Adds text of whole lines. */
  add(text: string) {
    const plain = text.replace(ESCAPES, "");
    if (plain === "") return;
    const whole = plain.endsWith("\n") ? plain : `${plain}\n`;
    const piece = this.open();
    const from = piece.starts.length;
    for (let at = 0; at < whole.length; at = whole.indexOf("\n", at) + 1)
      piece.starts.push(piece.text.length + at);
    piece.text += whole;
    this.next = piece.first + piece.starts.length;
    this.find(piece, from);
    // A tenth at once, because what is kept of a piece is copied.
    if (this.total > KEPT * 1.1) this.forget();
  }

  /** The piece that takes the next lines. */
  private open(): Piece {
    const last = this.pieces.at(-1);
    if (last && last.text.length < PIECE) return last;
    const piece = { first: this.next, text: "", starts: [] };
    this.pieces.push(piece);
    return piece;
  }

  private forget() {
    this.gone = this.next - KEPT;
    const whole = this.pieces.findIndex(({ first, starts }) => first + starts.length > this.gone);
    this.pieces.splice(0, whole);
    const piece = this.pieces[0];
    if (piece && piece.first < this.gone) {
      const starts = piece.starts.slice(this.gone - piece.first);
      const from = starts[0] ?? 0;
      piece.text = piece.text.slice(from);
      piece.starts = starts.map((start) => start - from);
      piece.first = this.gone;
    }
    this.found = this.found.filter((line) => line >= this.gone);
  }

  /** From now on only lines with this text are shown. */
  search(text: string) {
    this.wanted = text === "" ? null : new RegExp(text.replace(SPECIAL, "\\$&"), "gi");
    this.found = [];
    for (const piece of this.pieces) this.find(piece, 0);
  }

  /** Notes the lines of a piece, from one on, that have the wanted text. */
  private find({ first, text, starts }: Piece, from: number) {
    const wanted = this.wanted;
    if (!wanted) return;
    wanted.lastIndex = starts[from] ?? text.length;
    for (let line = from; wanted.test(text); line++) {
      // It has stopped behind what it found, which has no line end.
      while ((starts[line + 1] ?? text.length) < wanted.lastIndex) line++;
      this.found.push(first + line);
      wanted.lastIndex = starts[line + 1] ?? text.length;
    }
  }

  /** Those there are now. No copy, of which each frame of a log that grows would make one. */
  shown(): Rows<string> {
    const { found, gone, total } = this;
    const [length, line] = this.wanted
      ? [found.length, (row: number) => this.line(found[row] ?? 0)]
      : [total, (row: number) => this.line(gone + row)];
    return {
      length,
      slice: (from, to) => {
        const count = Math.max(0, Math.min(to, length) - from);
        return Array.from({ length: count }, (_, row) => line(from + row));
      },
    };
  }

  /** By its number; empty if it is gone. */
  private line(number: number): string {
    let [low, high] = [0, this.pieces.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.pieces[middle]!.first <= number) low = middle;
      else high = middle - 1;
    }
    const piece = this.pieces[low];
    const start = piece?.starts[number - piece.first];
    if (!piece || start === undefined) return "";
    const end = piece.starts[number - piece.first + 1] ?? piece.text.length;
    return piece.text.slice(start, end - 1);
  }

  get total(): number {
    return this.next - this.gone;
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
