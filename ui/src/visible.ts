// Which rows of a long list are on the screen.

/** Very many of something, of which a few are looked at; an array is that, too. */
export interface Rows<T> {
  readonly length: number;
  slice(from: number, to: number): T[];
}

/** Rows above and below that are there too, so that scrolling finds them. */
const MARGIN = 8;

/** First and one past the last row to make, for a list that is scrolled to `top`. */
export function visible(top: number, height: number, row: number, count: number): [number, number] {
  const first = Math.max(0, Math.min(Math.floor(top / row) - MARGIN, count));
  const last = Math.min(count, Math.ceil((top + height) / row) + MARGIN);
  return [first, Math.max(first, last)];
}
