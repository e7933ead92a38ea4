// What the whole page shares: what is known, where it is, what failed.

import { getContext, setContext } from "svelte";
import { Attention } from "./attention.svelte";
import { type Edits, follow, NO_EDITS } from "./edits";
import { type End, type Host, reason } from "./host";
import type { Action, Stored, View } from "./host/types";
import { Pull } from "./pull.svelte";
import { restart, suspend } from "./questions";
import { count } from "./words";

const NOTHING: View = {
  daemon: { link: "looking" },
  status: null,
  containers: null,
  snapshots: [],
  debug_sessions: [],
  swarm: null,
  doing: null,
  engine_news: 0,
};

/** A question that must be answered before something is lost. */
export interface Question {
  title: string;
  /** What is lost, and what is not. */
  loss: string;
  yes: string;
  act: () => void;
}

export class AppState {
  view = $state.raw<View>(NOTHING);
  place = $state("containers");
  /** One sentence, until it is put away. */
  trouble = $state<string | null>(null);
  question = $state.raw<Question | null>(null);
  readonly attention = new Attention();
  // Whoever reacts to one of these does so when it changes, and not with each status.
  readonly running = $derived(
    this.view.daemon.link === "connected" && this.view.status?.vm.state === "running",
  );
  /** Whether the engine answers, perhaps after the VM was woken for it: from its pause, or from the disk. */
  readonly reachable = $derived(
    this.running ||
      (this.view.daemon.link === "connected" &&
        this.view.status?.vm.state === "suspended" &&
        this.view.status.vm.asleep),
  );
  /** Whether the engine can be asked without waking the VM. */
  readonly awake = $derived(this.running && !this.view.status?.vm.asleep);
  /** Grows with everything that happens in the engine. */
  readonly news = $derived(this.view.engine_news);

  /** Saves of files that containers mount; they stay while another pane is shown. */
  edits = $state.raw<Edits>(NO_EDITS);
  /** Why no more edits come. */
  editsEnded = $state<string | null>(null);

  readonly pull: Pull;

  constructor(readonly host: Host) {
    this.pull = new Pull(host, (name, why) => {
      // The images' pane shows it beside the name.
      if (this.place !== "images") this.trouble = `${name} was not pulled. ${why}`;
    });
  }

  /** A failure of the tray is shown once. */
  private async hearComplaint() {
    const error = await this.host.complaint();
    if (error) this.trouble = error.message;
  }

  /** Begins to follow the app; what it returns ends that. */
  async begin(): Promise<End> {
    const read = () => {
      this.place = decodeURIComponent(location.hash.replace(/^#\/?/, "")) || "containers";
    };
    read();
    addEventListener("hashchange", read);
    const unwatch = this.attention.begin();
    let first = () => {};
    const known = new Promise<void>((done) => (first = done));
    const ends = await Promise.all([
      this.host.onView((change) => {
        this.view = { ...this.view, ...change };
        first();
      }),
      this.host.onShow((place) => this.show(place)),
      this.host.onComplaint(() => void this.hearComplaint()),
    ]);
    await known;
    // A window that the tray has opened for a question.
    if (this.place.startsWith("ask/")) {
      const asked = this.place;
      this.go("containers");
      this.show(asked);
    }
    await this.hearComplaint();
    return () => {
      removeEventListener("hashchange", read);
      unwatch();
      ends.forEach((end) => end());
    };
  }

  /** What the tray leads to: a place, or a question about what is shown already. */
  private show(place: string) {
    if (place === "ask/suspend") suspend(this);
    else if (place === "ask/restart") restart(this);
    else this.go(place);
  }

  go(place: string) {
    location.hash = `#/${place}`;
    this.place = place;
  }

  /** Does it, and shows why if it fails. True when it was done. */
  async act(action: Action): Promise<boolean> {
    this.trouble = null;
    try {
      await this.host.act(action);
      return true;
    } catch (error) {
      this.trouble = reason(error);
      return false;
    }
  }

  /** Removes these and no others, and tells which of them the engine keeps. */
  async removeAll(kind: Stored, all: readonly { id: string; name: string }[]) {
    this.trouble = null;
    const kept: string[] = [];
    for (const { id, name } of all) {
      try {
        await this.host.act({ do: "remove", kind, id });
      } catch (error) {
        kept.push(`${name}: ${reason(error)}`);
      }
    }
    if (kept.length === 0) return;
    const more = kept.length > 3 ? ` And ${kept.length - 3} more.` : "";
    this.trouble = `${kept.length} of ${count(all.length, kind)} could not be removed. ${kept.slice(0, 3).join(" ")}${more}`;
  }

  /** Follows edits; what it returns ends that. */
  followEdits(): End {
    this.editsEnded = null;
    let over = false;
    const begun = this.host
      .watch((piece) => {
        if (over) return;
        if (piece.piece === "step") this.edits = follow(this.edits, piece.line);
        else this.editsEnded = piece.error;
      })
      .catch((error: unknown): End => {
        this.editsEnded = reason(error);
        return () => {};
      });
    return () => {
      over = true;
      void begun.then((end) => end());
    };
  }

  /** Wakes a VM that sleeps: any question to the engine does. */
  async wake() {
    try {
      await this.host.networks();
    } catch (error) {
      this.trouble = reason(error);
    }
  }

  ask(question: Question) {
    this.question = question;
  }
}

const KEY = Symbol("app");

export function provide(app: AppState): AppState {
  return setContext(KEY, app);
}

export function useApp(): AppState {
  return getContext(KEY);
}
