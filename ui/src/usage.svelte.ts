// What containers take, for as long as somebody looks at it.

import { SvelteMap } from "svelte/reactivity";
import type { AppState } from "./app.svelte";
import { Busiest, TURN_MS } from "./busiest";
import type { End } from "./host";
import type { Usage } from "./host/types";

/** Seconds that a plot goes back. */
export const KEPT_S = 300;

/** What is older than this is not so any more. */
const FRESH_MS = 5000;

const NOTHING: Usage = {
  cpu_percent: 0,
  memory_bytes: 0,
  memory_limit_bytes: 0,
  disk_read: 0,
  disk_written: 0,
  received: 0,
  sent: 0,
};

export type Quantity = keyof Usage;

/** Of all at one second; null where nobody looked. */
export interface Moment {
  time_s: number;
  sum: Usage | null;
}

export class UsageWatch {
  /** Of each, or of the busiest where there are very many, what it takes now. */
  readonly latest = new SvelteMap<string, Usage>();
  /** The last minutes of these together, the oldest first. */
  moments = $state.raw<readonly Moment[]>([]);
  private readonly ends = new Map<string, Promise<End>>();
  private readonly came = new Map<string, number>();
  private readonly busiest = new Busiest();
  private shown = new Set<string>();

  /** For the life of a component. */
  constructor(
    private readonly app: AppState,
    ids: () => readonly string[],
  ) {
    const watches = $derived(app.attention.looks && app.awake);
    $effect(() => {
      if (watches) this.choose(ids());
      // Which are the busiest is still known when somebody looks again.
      else this.watch([]);
    });
    $effect(() => {
      if (!watches) return;
      const timer = setInterval(() => this.choose(ids()), TURN_MS);
      return () => clearInterval(timer);
    });
    $effect(() => {
      if (!watches) return;
      const timer = setInterval(() => this.add(this.sum()), 1000);
      return () => {
        clearInterval(timer);
        // A gap in the plot, and no line across it.
        this.add(null);
      };
    });
    $effect(() => () => this.watch([]));
  }

  private choose(ids: readonly string[]) {
    const { shown, besides } = this.busiest.of(ids, Date.now());
    this.shown = new Set(shown);
    for (const id of besides) this.latest.delete(id);
    this.watch([...shown, ...besides]);
  }

  private watch(ids: readonly string[]) {
    const wanted = new Set(ids);
    for (const [id, end] of this.ends) {
      if (wanted.has(id)) continue;
      this.ends.delete(id);
      this.came.delete(id);
      this.latest.delete(id);
      void end.then((end) => end());
    }
    for (const id of wanted) {
      if (this.ends.has(id)) continue;
      let over = false;
      const begun = this.app.host.usage(id, (usage) => {
        // One that is on its way when the watch ends is of nobody.
        if (over) return;
        this.busiest.saw(id, usage.cpu_percent);
        if (!this.shown.has(id)) return;
        this.latest.set(id, usage);
        this.came.set(id, Date.now());
      });
      const ended = begun.then(
        (end): End =>
          () => {
            over = true;
            end();
          },
        (): End => () => {},
      );
      this.ends.set(id, ended);
    }
  }

  private sum(): Usage {
    const sum = { ...NOTHING };
    const oldest = Date.now() - FRESH_MS;
    for (const [id, usage] of this.latest) {
      if ((this.came.get(id) ?? 0) < oldest) continue;
      for (const key of Object.keys(sum) as Quantity[]) sum[key] += usage[key];
    }
    return sum;
  }

  private add(sum: Usage | null) {
    const time_s = Date.now() / 1000;
    const kept = this.moments.filter((one) => one.time_s > time_s - KEPT_S);
    this.moments = [...kept, { time_s, sum }];
  }
}
