// The played app's engine: containers, what it keeps besides, and a shell that knows two words.

import type { Shell } from "./host";
import type {
  Container,
  FileChange,
  Image,
  Images,
  ImageStep,
  NetworkInfo,
  Stored as Kind,
  TerminalPiece,
  Thing,
  Usage,
  VolumeInfo,
  VolumeSize,
} from "./types";

const MIB = 2 ** 20;

/** One of the engine's containers. */
export function container(
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

/** Two apps and what is on its own. */
export const FEW = [
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

/** Apps of ten containers each. */
export function many(count: number): Container[] {
  return Array.from({ length: count }, (_, index) => {
    const project = `app-${String(Math.floor(index / 10)).padStart(3, "0")}`;
    return container(`${project}-web-${index % 10}`, project, "nginx", [10000 + index, 80]);
  });
}

const image = (name: string | null, mib: number, users: string[], day: number): Image => ({
  id: `sha256:${(name ?? "none").replace(/[^a-z0-9]/g, "").padEnd(12, "0")}`,
  names: name ? [name] : [],
  created_s: 1_790_000_000 - day * 86_400,
  size_bytes: mib * MIB,
  shared_bytes: mib > 100 ? 74 * MIB : 0,
  users,
});

const volume = (name: string, project: string | null, users: string[]): VolumeInfo => ({
  name,
  driver: "local",
  project,
  anonymous: /^[0-9a-f]{64}$/.test(name),
  users,
});

const network = (name: string, subnet: string | null, users: string[]): NetworkInfo => ({
  id: `net-${name}`,
  name,
  driver: name === "host" ? "host" : "bridge",
  scope: "local",
  subnets: subnet ? [subnet] : [],
  internal: false,
  own: name === "bridge" || name === "host",
  users,
});

/** Images, volumes and networks. */
export class Stored {
  private allImages = [
    image("shop/web:latest", 182, ["shop-web-1"], 1),
    image(null, 181, [], 2),
    image("postgres:17", 438, ["shop-db-1", "voting-app-db-1"], 9),
    image("redis:8", 138, ["shop-cache-1"], 12),
    image("registry:3", 58, ["registry"], 30),
    image("node:22-slim", 226, [], 33),
    image("alpine:latest", 8, ["eager_turing"], 41),
  ];
  private allVolumes = [
    volume("shop_db", "shop", ["shop-db-1"]),
    volume("shop_old", "shop", []),
    volume("voting-app_db", "voting-app", ["voting-app-db-1"]),
    volume("5f".repeat(32), null, []),
  ];
  private allNetworks = [
    network("shop_default", "172.18.0.0/16", ["shop-cache-1", "shop-db-1", "shop-web-1"]),
    network("trial", "172.20.0.0/16", []),
    network("voting-app_default", "172.19.0.0/16", ["voting-app-db-1", "voting-app-vote-1"]),
    network("bridge", "172.17.0.0/16", ["registry", "eager_turing"]),
    network("host", null, []),
  ];
  private cache = 412 * MIB;

  images(): Images {
    const sum = (all: Image[]) =>
      all.reduce((sum, one) => sum + one.size_bytes - one.shared_bytes, 0);
    return {
      images: structuredClone(this.allImages),
      layers_bytes: sum(this.allImages) + 74 * MIB,
      reclaimable_bytes: sum(this.allImages.filter((one) => one.users.length === 0)),
      cache_bytes: this.cache,
      cache_reclaimable_bytes: this.cache,
    };
  }

  volumes(): VolumeInfo[] {
    return structuredClone(this.allVolumes);
  }

  volumeSizes(): VolumeSize[] {
    return this.allVolumes.map(({ name }, index) => ({ name, bytes: (index + 1) * 31 * MIB }));
  }

  networks(): NetworkInfo[] {
    return structuredClone(this.allNetworks);
  }

  remove(kind: Kind, id: string) {
    this.keep(kind, (one) => ("id" in one ? one.id : one.name) !== id);
  }

  clearBuildCache() {
    this.cache = 0;
  }

  private keep(kind: Kind, stays: (one: Image | VolumeInfo | NetworkInfo) => boolean) {
    if (kind === "image") this.allImages = this.allImages.filter(stays);
    if (kind === "volume") this.allVolumes = this.allVolumes.filter(stays);
    if (kind === "network") this.allNetworks = this.allNetworks.filter(stays);
  }
}

export const STEPS: ImageStep[] = [
  { created_s: 1_790_000_000, made_by: 'CMD ["node" "server.js"]', size_bytes: 0 },
  {
    created_s: 1_790_000_000,
    made_by: "COPY . /app # buildkit",
    size_bytes: 2.4 * MIB,
  },
  {
    created_s: 1_789_999_000,
    made_by: "RUN /bin/sh -c npm ci --omit=dev # buildkit",
    size_bytes: 48 * MIB,
  },
  { created_s: 1_789_000_000, made_by: "WORKDIR /app", size_bytes: 0 },
  {
    created_s: 1_788_000_000,
    made_by: "# debian.sh --arch 'amd64' out/ 'trixie' '@1788000000'",
    size_bytes: 74 * MIB,
  },
];

export const CHANGES: FileChange[] = [
  { path: "/app/uploads", kind: "added" },
  { path: "/app/uploads/photo.jpg", kind: "added" },
  { path: "/etc/hosts", kind: "modified" },
  { path: "/tmp/build.lock", kind: "deleted" },
  { path: "/var/log/nginx/access.log", kind: "modified" },
];

export function inspected(thing: Thing, id: string): string {
  const labels = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`dev.example.label-${index}`, `value ${index}`]),
  );
  return JSON.stringify({ Kind: thing, Id: id, Driver: "overlay2", Labels: labels }, null, 2);
}

/** What a container takes in one second: waves, so that a plot has something to draw. */
export function used(second: number): Usage {
  const wave = (length: number) => 0.5 + 0.5 * Math.sin(second / length);
  return {
    cpu_percent: 4 + 26 * wave(7),
    memory_bytes: (80 + 20 * wave(40)) * MIB,
    memory_limit_bytes: 4096 * MIB,
    disk_read: 0.2 * MIB * wave(5),
    disk_written: 1.4 * MIB * wave(9),
    received: 60_000 * wave(4),
    sent: 210_000 * wave(6),
  };
}

const PROMPT = "\x1b[32mroot@web\x1b[0m:/app# ";

/** It echoes, says a number for `echo $((6*7))`, and ends with `exit`. */
export function playShell(
  container: string,
  each: (piece: TerminalPiece) => void,
  ended: () => void,
): Shell {
  const say = (text: string) => each({ piece: "text", text });
  let line = "";
  let open = true;
  const end = () => {
    if (open) ended();
    open = false;
  };
  if (container === "id-registry") {
    setTimeout(() =>
      each({ piece: "end", error: "This container's image has neither bash nor sh." }),
    );
  } else {
    setTimeout(() => say(PROMPT));
  }
  return {
    type(text) {
      for (const key of text) {
        if (key !== "\r") {
          line += key;
          say(key);
          continue;
        }
        const said = line === "echo $((6*7))" ? "42\r\n" : "";
        say(`\r\n${said}`);
        if (line === "exit") return each({ piece: "end", error: null });
        line = "";
        say(PROMPT);
      }
    },
    resize: () => {},
    drawn: () => {},
    end,
  };
}
