// The pull of an image. It is the page's and not a pane's: it goes on while another one is shown.

import { SvelteMap } from "svelte/reactivity";
import { type End, type Host, reason } from "./host";
import type { PullPiece } from "./host/types";

type Layer = Extract<PullPiece, { piece: "layer" }>;

export class Pull {
  /** What is asked for, as it is typed. */
  name = $state("");
  /** What is fetched now. */
  fetched = $state<string | null>(null);
  note = $state("");
  trouble = $state<string | null>(null);
  readonly layers = new SvelteMap<string, Layer>();
  private stop: End | null = null;
  /** The number of the pull that was begun last: what an older one says is late. */
  private turn = 0;

  constructor(
    private readonly host: Host,
    /** Hears why one failed. */
    private readonly failed: (name: string, why: string) => void,
  ) {}

  async begin() {
    const mine = ++this.turn;
    this.layers.clear();
    [this.fetched, this.trouble, this.note] = [this.name.trim(), null, ""];
    try {
      const begun = await this.host.pull(
        this.fetched,
        (piece) => mine === this.turn && this.take(piece),
      );
      if (mine === this.turn && this.fetched) this.stop = begun;
      else begun();
    } catch (error) {
      [this.fetched, this.trouble] = [null, reason(error)];
    }
  }

  cancel() {
    this.turn++;
    this.stop?.();
    this.stop = null;
    this.layers.clear();
    [this.fetched, this.note] = [null, "The pull was cancelled."];
  }

  /** What a pull that is over has left is not for the next who looks; why it failed is. */
  tidy() {
    if (this.fetched !== null) return;
    this.layers.clear();
    this.note = "";
  }

  private take(piece: PullPiece) {
    if (piece.piece === "layer") this.layers.set(piece.id, piece);
    else if (piece.piece === "note") this.note = piece.text;
    else {
      this.trouble = piece.error;
      if (piece.error) this.failed(this.fetched ?? "", piece.error);
      else this.name = "";
      this.fetched = null;
      this.stop = null;
    }
  }
}
