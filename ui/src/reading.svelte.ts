// What a pane has read of the engine.

import { untrack } from "svelte";
import type { AppState } from "./app.svelte";
import { reason } from "./host";

export class Reading<T> {
  /** What was read last. */
  value = $state.raw<T | null>(null);
  /** Why it was not read, one sentence. */
  trouble = $state<string | null>(null);
  /** Whether it is being read. */
  reads = $state(false);
  private again = false;

  /**
   * For the life of a component; read again whenever something happens in the engine, unless it is read
   * `once` because that costs the engine much. A VM that sleeps is not asked, but
   * by a person, with `now`.
   */
  constructor(
    app: AppState,
    private readonly read: () => Promise<T>,
    once?: "once",
  ) {
    $effect(() => {
      if (!once) void app.news;
      if (!app.awake) return;
      untrack(() => {
        // What costs much and wakes the VM is not read again because that is awake now.
        if (!once || !this.reads) void this.now();
      });
    });
  }

  /** Reads it; one at a time, and once more if something has happened meanwhile. */
  async now(): Promise<void> {
    if (this.reads) {
      this.again = true;
      return;
    }
    this.reads = true;
    do {
      this.again = false;
      try {
        this.value = await this.read();
        this.trouble = null;
      } catch (error) {
        this.trouble = reason(error);
      }
    } while (this.again);
    this.reads = false;
  }
}
