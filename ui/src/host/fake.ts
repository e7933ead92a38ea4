// Plays the app, for tests and `npm run dev`: it remembers what is done to it. The page's address
// may ask for more than a handful: `?containers=500&lines=100000`.

import { EDIT_STEPS, line, session, Settings, SNAPSHOTS, status } from "./fake-daemon";
import {
  CHANGES,
  container,
  FEW,
  inspected,
  many,
  playShell,
  STEPS,
  Stored,
  used,
} from "./fake-engine";
import { PlayedSwarm } from "./fake-swarm";
import type { End, Host } from "./host";
import type {
  Action,
  ApiError,
  DefaultSocket,
  EditPiece,
  LogPiece,
  LogSource,
  PullPiece,
  View,
  VmState,
} from "./types";

/** What tests see of it. */
export interface Fake extends Host {
  /** All that was done, in order. */
  done: Action[];
  browsed: number[];
  /** Whether the app was told to end. */
  ended: boolean;
  /** Who follows a log. */
  logs: Set<(piece: LogPiece) => void>;
  /** Shells that are open. */
  shells: number;
  /** Containers of which is told what they take. */
  watched: Set<string>;
  /** All that was pulled, in order. */
  pulls: string[];
  /** Tells of the pull that goes on. */
  pulling: ((piece: PullPiece) => void) | null;
  /** Whether it starts with the session. */
  atLogin: boolean;
  defaultSocketAt: DefaultSocket;
  /** What is known now. */
  view(): View;
  /** Changes what is known, as the daemon would. */
  become(change: Partial<View>): void;
  becomeState(state: VmState, asleep?: boolean): void;
  complain(error: ApiError): void;
  show(place: string): void;
  /** What the next action fails with. */
  failNext: ApiError | null;
}

export function makeFake(search = ""): Fake {
  const asked = new URLSearchParams(search);
  const count = Number(asked.get("containers") ?? 0);
  const lineCount = Number(asked.get("lines") ?? 40);
  const settings = new Settings();
  const swarm = new PlayedSwarm();
  let view: View = {
    daemon: { link: "connected" },
    status: status("running"),
    containers: count > 0 ? many(count) : structuredClone(FEW),
    snapshots: structuredClone(SNAPSHOTS),
    debug_sessions: [],
    swarm: swarm.status,
    doing: null,
    engine_news: 0,
  };
  const stored = new Stored();
  const views = new Set<(change: Partial<View>) => void>();
  const shows = new Set<(place: string) => void>();
  const complaints = new Set<() => void>();
  let complaint: ApiError | null = null;

  const listen = <T>(all: Set<(value: T) => void>, each: (value: T) => void): Promise<End> => {
    all.add(each);
    return Promise.resolve(() => all.delete(each));
  };
  const become = (change: Partial<View>) => {
    view = { ...view, ...change };
    views.forEach((each) => each(change));
  };
  const becomeState = (state: VmState, asleep = false) => {
    const next = status(state);
    next.vm.asleep = asleep;
    become({
      daemon: { link: "connected" },
      status: next,
      containers: state === "running" || asleep ? structuredClone(FEW) : null,
      doing: null,
    });
  };
  const change = (id: string, state: string | null) => {
    const containers = (view.containers ?? []).flatMap((one) => {
      if (one.id !== id) return [one];
      return state === null ? [] : [{ ...one, state }];
    });
    become({ containers, engine_news: view.engine_news + 1 });
  };

  /** An answer of the engine, which wakes the VM. */
  const read = <T>(answer: () => T): Promise<T> => {
    if (view.status?.vm.asleep) becomeState("running");
    return Promise.resolve(answer());
  };

  const happen = () => become({ engine_news: view.engine_news + 1 });

  function perform(action: Action) {
    switch (action.do) {
      case "start":
      case "restart":
        return becomeState("running");
      case "start-daemon":
        return becomeState("stopped");
      case "run-sample": {
        const web = container("first-sample-web-1", "first-sample", "busybox:stable", [8080, 80]);
        return become({ containers: [...(view.containers ?? []), web] });
      }
      case "suspend":
        return becomeState("suspended");
      case "shut-down":
        return becomeState("stopped");
      case "containers": {
        const after = { start: "running", restart: "running", stop: "exited", remove: null };
        return action.ids.forEach((id) => change(id, after[action.verb]));
      }
      case "take-snapshot": {
        const taken = {
          name: action.name,
          taken_s: 1_790_700_000,
          pause_ms: 700,
          memory_bytes: 2 ** 30,
          error: null,
        };
        return become({ snapshots: [...view.snapshots, taken] });
      }
      case "debug": {
        const all = view.debug_sessions;
        const id = (all.at(-1)?.id ?? 0) + 1;
        return become({ debug_sessions: [...all, session(id, action.target, action.pid)] });
      }
      case "stop-debug":
        return become({
          debug_sessions: view.debug_sessions.filter((one) => one.id !== action.id),
        });
      case "delete-snapshot":
        return become({ snapshots: view.snapshots.filter((one) => one.name !== action.name) });
      case "scale":
        swarm.scale(action);
        return happen();
      case "update":
        swarm.update(action);
        return happen();
      case "node":
        swarm.node(action);
        return happen();
      case "remove":
        stored.remove(action.kind, action.id);
        return happen();
      case "clear-build-cache":
        stored.clearBuildCache();
        return happen();
    }
  }

  const fake: Fake = {
    done: [],
    browsed: [],
    ended: false,
    logs: new Set(),
    shells: 0,
    watched: new Set(),
    pulls: [],
    pulling: null,
    atLogin: false,
    defaultSocketAt: { leads: "nowhere", to: null, after_boot: false },
    failNext: null,
    become,
    becomeState,
    complain(error) {
      complaint = error;
      complaints.forEach((each) => each());
    },
    show: (place) => shows.forEach((each) => each(place)),
    view: () => view,
    onView(each) {
      each(view);
      return listen(views, each);
    },
    onShow: (each) => listen(shows, each),
    onComplaint: (each) => listen(complaints, each),
    complaint() {
      const taken = complaint;
      complaint = null;
      return Promise.resolve(taken);
    },
    act(action) {
      fake.done.push(action);
      const error = fake.failNext;
      fake.failNext = null;
      if (error) return Promise.reject(error);
      perform(action);
      return Promise.resolve();
    },
    browse(port) {
      fake.browsed.push(port);
      return Promise.resolve();
    },
    quit() {
      fake.ended = true;
      return Promise.resolve();
    },
    settings: () => Promise.resolve(settings.read()),
    async changeSettings(changes) {
      const result = await settings.change(changes);
      const now = view.status;
      if (now?.vm.state === "running") {
        const keys = result.changed.filter((one) => one.needs_restart).map((one) => one.key);
        const changed_settings = [...new Set([...now.vm.changed_settings, ...keys])];
        become({ status: { ...now, vm: { ...now.vm, changed_settings } } });
      }
      return result;
    },
    startsAtLogin: () => Promise.resolve(fake.atLogin),
    startAtLogin(on) {
      fake.atLogin = on;
      return Promise.resolve();
    },
    defaultSocket: () => Promise.resolve(fake.defaultSocketAt),
    turnDefaultSocket(on) {
      const to = fake.view().status?.engine_socket ?? null;
      fake.defaultSocketAt = { leads: on ? "here" : "nowhere", to: on ? to : null, after_boot: on };
      return Promise.resolve(fake.defaultSocketAt);
    },
    swarm: () => read(() => swarm.read()),
    follow(source: LogSource, each: (piece: LogPiece) => void) {
      const lines = Array.from({ length: lineCount }, (_, index) => line(source, index));
      const timer = setTimeout(() => each({ piece: "text", text: lines.join("") }));
      fake.logs.add(each);
      return Promise.resolve(() => {
        fake.logs.delete(each);
        clearTimeout(timer);
      });
    },
    shell(container, _size, each) {
      fake.shells++;
      return Promise.resolve(playShell(container, each, () => fake.shells--));
    },
    images: () => read(() => stored.images()),
    imageHistory: () => read(() => STEPS),
    pull(name, each) {
      fake.pulls.push(name);
      fake.pulling = each;
      return Promise.resolve(() => (fake.pulling = null));
    },
    volumes: () => read(() => stored.volumes()),
    volumeSizes: () => read(() => stored.volumeSizes()),
    networks: () => read(() => stored.networks()),
    inspect: (thing, id) => read(() => inspected(thing, id)),
    changes: () => read(() => CHANGES),
    usage(container, each) {
      fake.watched.add(container);
      let second = container.length;
      const tell = () => each(used(second++));
      tell();
      const timer = setInterval(tell, 1000);
      return Promise.resolve(() => {
        fake.watched.delete(container);
        clearInterval(timer);
      });
    },
    watch(each: (piece: EditPiece) => void) {
      const timer = setTimeout(() => EDIT_STEPS.forEach((line) => each({ piece: "step", line })));
      return Promise.resolve(() => clearTimeout(timer));
    },
  };
  return fake;
}

export const host: Fake = makeFake(globalThis.location?.search);

declare global {
  interface Window {
    /** For tests in a browser. */
    fakeHost?: Fake;
  }
}
if (globalThis.window) window.fakeHost = host;
