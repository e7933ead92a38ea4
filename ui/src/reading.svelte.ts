// What a pane has read of the engine.

import type { AppState } from "./app.svelte";
import { reason } from "./host";

export class Reading<T> {
  /** What was read last. */
  value = $state.raw<T | null>(null);
  /** Why it was not read, one sentence. */
  trouble = $state<string | null>(null);
  private reads = false;
  private again = false;

  /**
   * For the life of a component; read again whenever something happens in the engine, unless it is read
   * `once` because that costs the engine much. A VM that sleeps is not asked.
   */
  constructor(
    app: AppState,
    private readonly read: () => Promise<T>,
    once?: "once",
  ) {
    $effect(() => {
      if (!once) void app.news;
      if (app.awake) void this.now();
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
