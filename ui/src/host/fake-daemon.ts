// What the played app's daemon tells: the VM, its snapshots, settings, debug sessions, logs, and edits on their way.

import type {
  ApiError,
  Debugged,
  LogSource,
  Setting,
  SettingChange,
  SettingsChanged,
  Snapshot,
  Status,
  VmState,
  WatchLine,
} from "./types";

export function status(state: VmState): Status {
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
      cannot_suspend: null,
      changed_settings: [],
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

/** What was kept of the VM. */
export const SNAPSHOTS: Snapshot[] = [
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
];

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

const refusal = (message: string): ApiError => ({ code: "invalid-input", message });

/** The daemon's settings. */
export class Settings {
  private readonly all = structuredClone(SETTINGS);

  read(): Setting[] {
    return structuredClone(this.all);
  }

  /** Refuses what the daemon refuses, of CPUs only. */
  change(changes: SettingChange[]): Promise<SettingsChanged> {
    const tooMany = changes.find((one) => one.key === "vm.cpus" && Number(one.value) > 8);
    if (tooMany) {
      const why = "vm.cpus must be a whole number from 1 to 8 (this host's processors), not 99";
      return Promise.reject(refusal(why));
    }
    const changed = this.all.filter((one) => changes.some((wish) => wish.key === one.key));
    for (const one of changed) {
      const wish = changes.find((wish) => wish.key === one.key);
      one.value = wish?.value ?? one.default;
    }
    return Promise.resolve({
      changed: structuredClone(changed),
      restart_needed: changed.some((one) => one.needs_restart),
    });
  }
}

export function session(id: number, container: string, pid: number | null): Debugged {
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

/** A save of each kind: with a new answer after a reload, and with none. */
export const EDIT_STEPS: WatchLine[] = [
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

/** A line of a log. */
export function line(source: LogSource, index: number): string {
  const time = `2026-11-22T07:${String(Math.floor(index / 60) % 60).padStart(2, "0")}:${String(index % 60).padStart(2, "0")}Z`;
  if (source.of === "container") {
    const path = ["/", "/vote", "/result", "/health"][index % 4];
    return `172.18.0.1 - "GET ${path} HTTP/1.1" ${index % 7 === 3 ? 404 : 200} request ${index}\n`;
  }
  return `${time}  INFO ${source.of}: line ${index} of its log\n`;
}
