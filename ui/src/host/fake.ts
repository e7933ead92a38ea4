// Plays the app, for tests and `npm run dev`: it remembers what is done to it. The page's address
// may ask for more than a handful: `?containers=500&lines=100000`.

import { CHANGES, inspected, playShell, STEPS, Stored, used } from "./fake-engine";
import type { End, Host } from "./host";
import type {
  Action,
  ApiError,
  Container,
  Debugged,
  EditPiece,
  LogPiece,
  LogSource,
  PullPiece,
  Setting,
  Status,
  Swarm,
  View,
  VmState,
  WatchLine,
} from "./types";

function status(state: VmState): Status {
  const running = state === "running";
  return {
    vm: {
      state,
      asleep: false,
      cpus: 4,
      memory_mib: 4096,
      disk_bytes: 64 * 2 ** 30,
      disk_used_bytes: 6.3 * 2 ** 30,
      usage: null,
      cpu_percent: null,
      uptime_s: null,
      restarts: 0,
      last_error: null,
    },
    engine: { ready: running, note: null },
    host: {
      hypervisor: "QEMU 10.0.2",
      accelerator: "kvm",
      accelerator_note: null,
      capabilities: {
        suspend: true,
        snapshots: true,
        "free-page-reporting": true,
        shares: true,
        discard: true,
      },
    },
    versions: {
      coracle: "0.1.0",
      image: "trixie-1",
      agent: "0.1.0",
      kernel: "6.12.48-cloud-amd64",
      engine: "26.1.5",
    },
    ports: [],
    shares: [{ path: "/home/user", mounted: running }],
    degraded: [],
    engine_socket: "/home/user/.coracle/run/docker.sock",
    home: "/home/user/.coracle",
  };
}

function container(
  name: string,
  project: string | null,
  image: string,
  port?: [number, number],
  state = "running",
): Container {
  return {
    id: `id-${name}`,
    name,
    image,
    state,
    status: state === "running" ? "Up 3 minutes" : "Exited (137) 2 hours ago",
    project,
    folder: project && `/home/user/${project}`,
    service: project && name.replace(`${project}-`, "").replace(/-\d+$/, ""),
    ports: port ? [{ host: port[0], container: port[1] }] : [],
  };
}

const FEW = [
  container("shop-cache-1", "shop", "redis:8"),
  container("shop-db-1", "shop", "postgres:17", [5432, 5432]),
  container("shop-web-1", "shop", "shop/web", [8080, 80]),
  container("voting-app-db-1", "voting-app", "postgres:17"),
  container("voting-app-result-1", "voting-app", "voting/result", [8081, 80]),
  container("voting-app-vote-1", "voting-app", "voting/vote", [8082, 80]),
  container("voting-app-worker-1", "voting-app", "voting/worker", undefined, "exited"),
  container("eager_turing", null, "alpine", undefined, "exited"),
  container("registry", null, "registry:3", [5000, 5000]),
];

function many(count: number): Container[] {
  return Array.from({ length: count }, (_, index) => {
    const project = `app-${String(Math.floor(index / 10)).padStart(3, "0")}`;
    return container(`${project}-web-${index % 10}`, project, "nginx", [10000 + index, 80]);
  });
}

const setting = (
  key: string,
  value: unknown,
  fallback: unknown,
  needs_restart: boolean,
  description: string,
): Setting => ({ key, value, default: fallback, needs_restart, description });

const SETTINGS: Setting[] = [
  setting("vm.cpus", 4, 8, true, "Virtual CPUs of the VM, 1 to 8."),
  setting("vm.memory_mib", 4096, 4096, true, "Memory of the VM in MiB, 1024 to 16384."),
  setting(
    "vm.disk_gib",
    64,
    64,
    true,
    "Size of the data disk in GiB, 4 to 16384; it can only grow.",
  ),
  setting(
    "shares",
    ["/home/user"],
    ["/home/user"],
    true,
    "Host folders that containers may mount.",
  ),
  setting("files.ignored", [], [], true, "What of the shared folders no event is raised for."),
  setting(
    "ports.address",
    "",
    "",
    false,
    'Address of the host for published ports that name none (-p 8080:80), as 127.0.0.1; "" for all. Containers keep what they were made with.',
  ),
  setting(
    "idle.pause_after_s",
    600,
    600,
    false,
    "Seconds after which the VM is paused; 0 for never.",
  ),
  setting("engine.config", {}, {}, true, "What to add to the engine's daemon.json, a JSON object."),
  setting("proxy.http", "", "", true, "Proxy by which the engine fetches over HTTP, a URL."),
];

const replica = (service: string, slot: number, image: string, node = "node-1") => ({
  id: `${service}-${slot}`,
  service,
  slot,
  state: "running",
  desired: "running",
  error: null,
  node,
  image,
});

const SWARM: Swarm = {
  status: {
    state: "on",
    error: null,
    services: [
      {
        name: "web",
        image: "nginx:1.29",
        mode: "replicated",
        running: 3,
        desired: 3,
        update: null,
        ports: [{ protocol: "tcp", published: 8090, target: 80, mode: "ingress", error: null }],
      },
      {
        name: "agent",
        image: "metrics/agent",
        mode: "global",
        running: 1,
        desired: 1,
        update: "completed",
        ports: [],
      },
    ],
  },
  nodes: [
    {
      id: "node-1",
      name: "coracle",
      role: "manager",
      availability: "active",
      state: "ready",
      leader: true,
    },
    {
      id: "node-2",
      name: "attic",
      role: "worker",
      availability: "active",
      state: "ready",
      leader: false,
    },
  ],
  tasks: [
    replica("web", 1, "nginx:1.29"),
    replica("web", 2, "nginx:1.29", "node-2"),
    replica("web", 3, "nginx:1.29"),
    replica("agent", 0, "metrics/agent"),
  ],
  updates: [
    { service: "agent", parallelism: 1, delay_s: 0, message: "update completed" },
    { service: "web", parallelism: 2, delay_s: 5, message: null },
  ],
};

/** A save of each kind: with a new answer after a reload, and with none. */
const EDIT_STEPS: WatchLine[] = [
  {
    step: "watching",
    containers: [
      { name: "shop-web-1", service: "web", addresses: ["127.0.0.1:8080"], reloads: true },
      { name: "voting-app-worker-1", service: "worker", addresses: [], reloads: false },
    ],
  },
  {
    step: "delivered",
    save: 1,
    paths: ["/home/user/voting-app/worker/worker.c"],
    overflow: false,
    containers: ["voting-app-worker-1"],
    seen_ms: 0.4,
    delivered_ms: 3.1,
  },
  {
    step: "delivered",
    save: 2,
    paths: ["/home/user/shop/style.css", "/home/user/shop/server.js"],
    overflow: false,
    containers: ["shop-web-1"],
    seen_ms: 0.3,
    delivered_ms: 4.2,
  },
  {
    step: "reloaded",
    save: 2,
    container: "shop-web-1",
    action: "restart",
    reloaded_ms: 121.5,
    error: null,
  },
  {
    step: "answered",
    save: 2,
    container: "shop-web-1",
    address: "127.0.0.1:8080",
    answered_ms: 389.7,
    slowest: "program",
    slowest_ms: 268.2,
  },
];

function session(id: number, container: string, pid: number | null): Debugged {
  return {
    id,
    target: container,
    container,
    pid: pid ?? 18,
    command: ["/usr/bin/node", "server.js"],
    runtime: "node",
    address: `127.0.0.1:${9228 + id}`,
    paths: [{ local: "/home/user/shop", remote: "/app" }],
    configuration: {},
    note: null,
    existing: false,
    written: null,
    connect: `node inspect 127.0.0.1:${9228 + id}`,
  };
}

const refusal = (message: string): ApiError => ({ code: "invalid-input", message });

/** What tests see of it. */
export interface Fake extends Host {
  /** All that was done, in order. */
  done: Action[];
  browsed: number[];
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
  let view: View = {
    daemon: { link: "connected" },
    status: status("running"),
    containers: count > 0 ? many(count) : structuredClone(FEW),
    snapshots: [
      {
        name: "before-upgrade",
        taken_s: 1_790_000_000,
        pause_ms: 840,
        memory_bytes: 1.4 * 2 ** 30,
        error: null,
      },
      {
        name: "clean",
        taken_s: 1_790_600_000,
        pause_ms: 620,
        memory_bytes: 0.7 * 2 ** 30,
        error: null,
      },
    ],
    debug_sessions: [],
    swarm: SWARM.status,
    doing: null,
    engine_news: 0,
  };
  const settings = structuredClone(SETTINGS);
  const swarm = structuredClone(SWARM);
  const stored = new Stored();
  const views = new Set<(view: View) => void>();
  const shows = new Set<(place: string) => void>();
  const complaints = new Set<(error: ApiError) => void>();

  const listen = <T>(all: Set<(value: T) => void>, each: (value: T) => void): Promise<End> => {
    all.add(each);
    return Promise.resolve(() => all.delete(each));
  };
  const become = (change: Partial<View>) => {
    view = { ...view, ...change };
    views.forEach((each) => each(view));
  };
  const becomeState = (state: VmState, asleep = false) => {
    const next = status(state);
    next.vm.asleep = asleep;
    become({
      daemon: { link: "connected" },
      status: next,
      containers: state === "running" ? structuredClone(FEW) : null,
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
      case "container": {
        const after = { start: "running", restart: "running", stop: "exited", remove: null };
        return change(action.id, after[action.verb]);
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
      case "scale": {
        const service = swarm.status.services.find((one) => one.name === action.service);
        if (service) service.running = service.desired = action.replicas;
        swarm.tasks = swarm.tasks.filter((one) => one.service !== action.service);
        for (let slot = 1; slot <= action.replicas; slot++) {
          swarm.tasks.push(replica(action.service, slot, service?.image ?? ""));
        }
        return happen();
      }
      case "update": {
        const service = swarm.status.services.find((one) => one.name === action.service);
        const config = swarm.updates.find((one) => one.service === action.service);
        if (!service || !config) return;
        [service.image, service.update] = [action.image, "updating"];
        [config.parallelism, config.delay_s] = [action.parallelism, action.delay_s];
        config.message = "update in progress";
        const old = swarm.tasks.find((one) => one.service === action.service);
        if (old) {
          const next = replica(action.service, old.slot, action.image, old.node ?? undefined);
          swarm.tasks.push({ ...next, id: `${next.id}-next`, state: "preparing" });
          old.desired = "shutdown";
        }
        return happen();
      }
      case "node": {
        const node = swarm.nodes.find((one) => one.id === action.id);
        if (node) node.availability = action.availability;
        return happen();
      }
      case "remove":
        stored.remove(action.kind, action.id);
        return happen();
      case "prune":
        stored.prune(action.kind);
        return happen();
    }
  }

  const fake: Fake = {
    done: [],
    browsed: [],
    shells: 0,
    watched: new Set(),
    pulls: [],
    pulling: null,
    atLogin: false,
    failNext: null,
    become,
    becomeState,
    complain: (error) => complaints.forEach((each) => each(error)),
    show: (place) => shows.forEach((each) => each(place)),
    view: () => Promise.resolve(view),
    onView: (each) => listen(views, each),
    onShow: (each) => listen(shows, each),
    onComplaint: (each) => listen(complaints, each),
    complaint: () => Promise.resolve(null),
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
    settings: () => Promise.resolve(structuredClone(settings)),
    changeSettings(changes) {
      const tooMany = changes.find((one) => one.key === "vm.cpus" && Number(one.value) > 8);
      if (tooMany) {
        const why = "vm.cpus must be a whole number from 1 to 8 (this host's processors), not 99";
        return Promise.reject(refusal(why));
      }
      const changed = settings.filter((one) => changes.some((wish) => wish.key === one.key));
      for (const one of changed) {
        const wish = changes.find((wish) => wish.key === one.key);
        one.value = wish?.value ?? one.default;
      }
      return Promise.resolve({
        changed: structuredClone(changed),
        restart_needed: changed.some((one) => one.needs_restart),
      });
    },
    startsAtLogin: () => Promise.resolve(fake.atLogin),
    startAtLogin(on) {
      fake.atLogin = on;
      return Promise.resolve();
    },
    swarm: () => Promise.resolve(structuredClone(swarm)),
    follow(source: LogSource, each: (piece: LogPiece) => void) {
      const lines = Array.from({ length: lineCount }, (_, index) => line(source, index));
      const timer = setTimeout(() => each({ piece: "text", text: lines.join("") }));
      return Promise.resolve(() => clearTimeout(timer));
    },
    shell(container, _size, each) {
      fake.shells++;
      return Promise.resolve(playShell(container, each, () => fake.shells--));
    },
    images: () => Promise.resolve(stored.images()),
    imageHistory: () => Promise.resolve(STEPS),
    pull(name, each) {
      fake.pulls.push(name);
      fake.pulling = each;
      return Promise.resolve(() => (fake.pulling = null));
    },
    volumes: () => Promise.resolve(stored.volumes()),
    volumeSizes: () => Promise.resolve(stored.volumeSizes()),
    networks: () => Promise.resolve(stored.networks()),
    inspect: (thing, id) => Promise.resolve(inspected(thing, id)),
    changes: () => Promise.resolve(CHANGES),
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

function line(source: LogSource, index: number): string {
  const time = `2026-11-22T07:${String(Math.floor(index / 60) % 60).padStart(2, "0")}:${String(index % 60).padStart(2, "0")}Z`;
  if (source.of === "container") {
    const path = ["/", "/vote", "/result", "/health"][index % 4];
    return `172.18.0.1 - "GET ${path} HTTP/1.1" ${index % 7 === 3 ? 404 : 200} request ${index}\n`;
  }
  return `${time}  INFO ${source.of}: line ${index} of its log\n`;
}

export const host: Fake = makeFake(globalThis.location?.search);

declare global {
  interface Window {
    /** For tests in a browser. */
    fakeHost?: Fake;
  }
}
if (globalThis.window) window.fakeHost = host;
