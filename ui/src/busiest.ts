// Which of many containers take most, when not all are looked at all the time.

/** Containers of which is shown what they take: each is a connection to the engine, which looks at it every second. */
export const MOST = 100;

/** Others that are looked at besides, in turn, to find out whether they have become busier. */
export const BESIDES = 20;

/** How long each turn is: the engine needs two seconds for the first figure. */
export const TURN_MS = 4000;

export interface Chosen {
  shown: readonly string[];
  besides: readonly string[];
}

export class Busiest {
  /** Of each that was looked at, percent of a processor. */
  private readonly percent = new Map<string, number>();
  /** Of each other, the turn that it had last. */
  private readonly turns = new Map<string, number>();
  private shown = new Set<string>();
  private besides: readonly string[] = [];
  private turn = 0;
  private begun_ms = -Infinity;

  /** What was seen of one. Whole percents, so that those that do next to nothing do not take turns. */
  saw(id: string, percent: number) {
    this.percent.set(id, Math.round(percent));
  }

  /** Those to look at from now on; of `ids` in their order where nothing is known yet. */
  of(ids: readonly string[], now_ms: number): Chosen {
    const there = new Set(ids);
    for (const known of [this.percent, this.turns]) {
      for (const id of known.keys()) if (!there.has(id)) known.delete(id);
    }
    if (now_ms - this.begun_ms >= TURN_MS || this.shown.size === 0) {
      const before = this.shown;
      const takes = (id: string) => this.percent.get(id) ?? 0;
      const sorted = [...ids].sort(
        (a, b) => takes(b) - takes(a) || Number(before.has(b)) - Number(before.has(a)),
      );
      const had = (id: string) => this.turns.get(id) ?? 0;
      this.shown = new Set(sorted.slice(0, MOST));
      this.besides = ids
        .filter((id) => !this.shown.has(id))
        .sort((a, b) => had(a) - had(b))
        .slice(0, BESIDES);
      this.turn++;
      for (const id of this.besides) this.turns.set(id, this.turn);
      this.begun_ms = now_ms;
    } else {
      const free = ids.filter((id) => !this.shown.has(id));
      this.shown = new Set([...this.shown].filter((id) => there.has(id)));
      for (const id of free.slice(0, MOST - this.shown.size)) this.shown.add(id);
      this.besides = this.besides.filter((id) => there.has(id) && !this.shown.has(id));
    }
    return { shown: ids.filter((id) => this.shown.has(id)), besides: this.besides };
  }
}
