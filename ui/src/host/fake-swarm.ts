// The played app's swarm: two services on two nodes.

import type { Action, Swarm } from "./types";

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

type Of<Verb> = Extract<Action, { do: Verb }>;

/** Does what it is told at once, but for an update, which stays on its way. */
export class PlayedSwarm {
  private readonly swarm = structuredClone(SWARM);

  get status() {
    return this.swarm.status;
  }

  read(): Swarm {
    return structuredClone(this.swarm);
  }

  scale({ service: name, replicas }: Of<"scale">) {
    const { swarm } = this;
    const service = this.service(name);
    if (service) service.running = service.desired = replicas;
    swarm.tasks = swarm.tasks.filter((one) => one.service !== name);
    for (let slot = 1; slot <= replicas; slot++) {
      swarm.tasks.push(replica(name, slot, service?.image ?? ""));
    }
  }

  update({ service: name, image, parallelism, delay_s }: Of<"update">) {
    const { swarm } = this;
    const service = this.service(name);
    const config = swarm.updates.find((one) => one.service === name);
    if (!service || !config) return;
    [service.image, service.update] = [image, "updating"];
    [config.parallelism, config.delay_s] = [parallelism, delay_s];
    config.message = "update in progress";
    const old = swarm.tasks.find((one) => one.service === name);
    if (old) {
      const next = replica(name, old.slot, image, old.node ?? undefined);
      swarm.tasks.push({ ...next, id: `${next.id}-next`, state: "preparing" });
      old.desired = "shutdown";
    }
  }

  node({ id, availability }: Of<"node">) {
    const node = this.swarm.nodes.find((one) => one.id === id);
    if (node) node.availability = availability;
  }

  private service(name: string) {
    return this.swarm.status.services.find((one) => one.name === name);
  }
}
