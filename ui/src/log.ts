// The lines of a log, as many as are kept.

import type { Rows } from "./visible";

/** How many lines are kept: older ones go. */
export const KEPT = 100_000;

// Colours and cursor movements of terminals.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007]*\u0007)|\r/g;

// What means something in a regular expression.
const SPECIAL = /[.*+?^${}()|[\]\\]/g;

/** Lines that came together. */
interface Piece {
  /** The number of the first, counted from the log's beginning. */
  first: number;
  /** Each line with its end. A piece that takes no more lines is bytes, which take half of what a string does. */
  content: string | Uint8Array;
  /** Where each line begins. */
  starts: ArrayLike<number>;
}

/** The piece that takes the next lines. */
interface Open extends Piece {
  content: string;
  starts: number[];
}

/** Letters from which on what comes is a piece of its own. */
const PIECE = 16_384;

const LINE_END = "\n".charCodeAt(0);

const ENCODER = new TextEncoder();
// A line may begin with the letter that marks a file's beginning.
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

function letters({ content }: Piece, from: number, to = content.length): string {
  return typeof content === "string"
    ? content.slice(from, to)
    : DECODER.decode(content.subarray(from, to));
}

function closed(piece: Open): Piece {
  const content = ENCODER.encode(piece.content);
  const starts = new Uint32Array(piece.starts.length);
  for (let line = 1; line < starts.length; line++)
    starts[line] = content.indexOf(LINE_END, starts[line - 1]) + 1;
  return { first: piece.first, content, starts };
}

export class LogLines {
  private pieces: Piece[] = [];
  private open: Open = { first: 0, content: "", starts: [] };
  /** How many lines there were that are not kept any more. */
  private gone = 0;
  /** Finds what is wanted, without a copy of each line. */
  private wanted: RegExp | null = null;
  /** Numbers of the lines with it. */
  private found: number[] = [];

  /** Adds text of whole lines. */
  add(text: string) {
    const plain = text.replace(ESCAPES, "");
    if (plain === "") return;
    const whole = plain.endsWith("\n") ? plain : `${plain}\n`;
    const piece = this.open;
    const from = piece.starts.length;
    for (let at = 0; at < whole.length; at = whole.indexOf("\n", at) + 1)
      piece.starts.push(piece.content.length + at);
    piece.content += whole;
    this.find(piece, from);
    if (piece.content.length >= PIECE) {
      this.pieces.push(closed(piece));
      this.open = { first: this.next, content: "", starts: [] };
    }
    // A tenth at once, because all that was found is looked through.
    if (this.total > KEPT * 1.1) this.forget();
  }

  /** The number of the line that comes next. */
  private get next(): number {
    return this.open.first + this.open.starts.length;
  }

  private forget() {
    this.gone = this.next - KEPT;
    const kept = this.pieces.findIndex(({ first, starts }) => first + starts.length > this.gone);
    this.pieces.splice(0, kept);
    this.found = this.found.filter((line) => line >= this.gone);
  }

  /** From now on only lines with this text, which has no line end, are shown. */
  search(text: string) {
    this.wanted = text === "" ? null : new RegExp(text.replace(SPECIAL, "\\$&"), "gi");
    this.found = [];
    for (const piece of [...this.pieces, this.open])
      this.find(piece, Math.max(0, this.gone - piece.first));
  }

  /** Notes the lines of a piece, from one on, that have the wanted text. */
  private find(piece: Piece, from: number) {
    const { wanted } = this;
    const start = piece.starts[from];
    if (!wanted || start === undefined) return;
    const lines = letters(piece, start);
    let line = piece.first + from;
    let end = lines.indexOf("\n");
    wanted.lastIndex = 0;
    while (wanted.test(lines)) {
      // It has stopped behind what it found.
      for (; end < wanted.lastIndex; line++) end = lines.indexOf("\n", end + 1);
      this.found.push(line);
      wanted.lastIndex = end + 1;
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

  /** By its number; empty if there is none. */
  private line(number: number): string {
    let [low, high] = [0, this.pieces.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { first, starts } = this.pieces[middle]!;
      if (first + starts.length <= number) low = middle + 1;
      else high = middle;
    }
    const piece = this.pieces[low] ?? this.open;
    const start = piece.starts[number - piece.first];
    if (start === undefined) return "";
    const end = piece.starts[number - piece.first + 1] ?? piece.content.length;
    return letters(piece, start, end - 1);
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
