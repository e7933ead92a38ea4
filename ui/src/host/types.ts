// Made by `cargo xtask types` from the Rust types of the same names: edit those.

export type JsonValue = unknown;

/**
 * Everything that is shown of this Coracle.
 */
export type View = { 
/**
 * Whether there is a daemon to ask.
 */
daemon: Link, 
/**
 * What the daemon has said last; null while there is none.
 */
status: Status | null, 
/**
 * By project and name; null while the engine does not answer.
 */
containers: Array<Container> | null, 
/**
 * The oldest first.
 */
snapshots: Array<Snapshot>, 
/**
 * The oldest first.
 */
debug_sessions: Array<Debugged>, 
/**
 * The swarm's services; null while the engine does not answer.
 */
swarm: SwarmStatus | null, 
/**
 * The long action that goes on.
 */
doing: Doing | null, 
/**
 * Grows with everything that happens in the engine.
 */
engine_news: number, };

/**
 * The connection to the daemon.
 */
export type Link = { "link": "looking" } | { "link": "connected" } | { "link": "gone", 
/**
 * One sentence.
 */
message: string, } | { "link": "silent", 
/**
 * One sentence.
 */
message: string, } | { "link": "foreign", 
/**
 * One sentence.
 */
message: string, };

/**
 * A long action that goes on.
 */
export type Doing = { 
/**
 * Where it is; null until the daemon has said so.
 */
stage: string | null, 
/**
 * A few words for the person.
 */
message: string, };

/**
 * A debug session, and what a person does with it.
 */
export type Debugged = { 
/**
 * How to connect a debugger.
 */
connect: string, 
/**
 * Its number.
 */
id: number, 
/**
 * What was asked for.
 */
target: string, 
/**
 * The container's name.
 */
container: string, 
/**
 * The process as the container counts, when the session began.
 */
pid: number, 
/**
 * Program and arguments of the process.
 */
command: Array<string>, 
/**
 * What executes the code.
 */
runtime: Runtime, 
/**
 * Where debuggers connect to: `127.0.0.1:PORT`.
 */
address: string, 
/**
 * Folders of the host and where they are in the container.
 */
paths: Array<DebugPath>, 
/**
 * The entry for VS Code's `launch.json`.
 */
configuration: JsonValue, 
/**
 * What makes debugging worse than it could be; null when nothing does.
 */
note: string | null, 
/**
 * Whether it was there before it was asked for.
 */
existing: boolean, 
/**
 * The file that has the configuration now; null when none was asked for.
 */
written: string | null, };

/**
 * One container.
 */
export type Container = { 
/**
 * The engine's id.
 */
id: string, 
/**
 * Without the slash.
 */
name: string, 
/**
 * As it was named when the container was made.
 */
image: string, 
/**
 * `running`, `exited`, … in the engine's words.
 */
state: string, 
/**
 * The state with times, in the engine's words.
 */
status: string, 
/**
 * Compose's project, or the swarm service that it is a replica of.
 */
project: string | null, 
/**
 * Compose's name of the service.
 */
service: string | null, 
/**
 * The folder of compose's project on the host.
 */
folder: string | null, 
/**
 * Published TCP ports of the host, in order.
 */
ports: Array<PublishedPort>, };

/**
 * A port of the host that leads into a container.
 */
export type PublishedPort = { 
/**
 * On the host.
 */
host: number, 
/**
 * In the container.
 */
container: number, };

/**
 * The swarm with its tasks.
 */
export type Swarm = { 
/**
 * What the daemon says of it.
 */
status: SwarmStatus, 
/**
 * By name.
 */
nodes: Array<SwarmNode>, 
/**
 * Tasks of all services but those that have ended as they should.
 */
tasks: Array<SwarmTask>, 
/**
 * How each service is updated.
 */
updates: Array<RollingUpdate>, };

/**
 * A replica at one moment of its life.
 */
export type SwarmTask = { 
/**
 * The engine's id.
 */
id: string, 
/**
 * The service's name.
 */
service: string, 
/**
 * Its number among the replicas; 0 where they have none.
 */
slot: number, 
/**
 * Where it is, in the engine's words.
 */
state: string, 
/**
 * Where it should be, in the engine's words.
 */
desired: string, 
/**
 * Why it is not there.
 */
error: string | null, 
/**
 * The node's id; null while it has none.
 */
node: string | null, 
/**
 * What it is made of.
 */
image: string, };

/**
 * An engine of the swarm.
 */
export type SwarmNode = { 
/**
 * The engine's id.
 */
id: string, 
/**
 * Its host's name.
 */
name: string, 
/**
 * `manager` or `worker`.
 */
role: string, 
/**
 * Whether it takes tasks.
 */
availability: Availability, 
/**
 * `ready`, `down`, … in the engine's words.
 */
state: string, 
/**
 * Whether it leads the managers.
 */
leader: boolean, };

/**
 * Whether a node takes tasks.
 */
export type Availability = "active" | "pause" | "drain";

/**
 * How the tasks of a service are replaced when it changes.
 */
export type RollingUpdate = { 
/**
 * The service's name.
 */
service: string, 
/**
 * Tasks at a time; 0 for all at once.
 */
parallelism: number, 
/**
 * Seconds between them.
 */
delay_s: number, 
/**
 * What the engine says of the last.
 */
message: string | null, };

/**
 * What the engine keeps besides containers.
 */
export type Stored = "image" | "volume" | "network";

/**
 * What a person can want.
 */
export type Action = { "do": "start-daemon" } | { "do": "start" } | { "do": "run-sample", 
/**
 * An absolute path.
 */
folder: string, } | { "do": "suspend" } | { "do": "shut-down" } | { "do": "restart" } | { "do": "take-snapshot", 
/**
 * Its name.
 */
name: string, } | { "do": "restore-snapshot", 
/**
 * Its name.
 */
name: string, } | { "do": "delete-snapshot", 
/**
 * Its name.
 */
name: string, } | { "do": "debug", 
/**
 * A container's name or id, or a service.
 */
target: string, 
/**
 * The process as the container counts; null for the one that does its work.
 */
pid: number | null, } | { "do": "edit", 
/**
 * The session's number.
 */
id: number, 
/**
 * An absolute path.
 */
folder: string, } | { "do": "diagnose" } | { "do": "stop-debug", 
/**
 * Its number.
 */
id: number, } | { "do": "containers", 
/**
 * The engine's ids.
 */
ids: Array<string>, 
/**
 * What.
 */
verb: ContainerVerb, } | { "do": "scale", 
/**
 * The service's name.
 */
service: string, 
/**
 * How many.
 */
replicas: number, } | { "do": "update", 
/**
 * The service's name.
 */
service: string, 
/**
 * The image.
 */
image: string, 
/**
 * Tasks at a time; 0 for all at once.
 */
parallelism: number, 
/**
 * Seconds between them.
 */
delay_s: number, } | { "do": "node", 
/**
 * The engine's id.
 */
id: string, 
/**
 * Which.
 */
availability: Availability, } | { "do": "remove", 
/**
 * What it is.
 */
kind: Stored, 
/**
 * The engine's id; of a volume, its name.
 */
id: string, } | { "do": "clear-build-cache" };

/**
 * What can happen to a container.
 */
export type ContainerVerb = "start" | "stop" | "restart" | "remove";

/**
 * What is there, as `coracle default-socket` tells it.
 */
export type DefaultSocket = { 
/**
 * Whose engine programs find.
 */
leads: Leads, 
/**
 * The end of a link.
 */
to: string | null, 
/**
 * Whether the system makes our link when it boots.
 */
after_boot: boolean, };

/**
 * Whose engine programs find.
 */
export type Leads = "here" | "elsewhere" | "nowhere";

/**
 * Whose log.
 */
export type LogSource = { "of": "daemon" } | { "of": "vm" } | { "of": "engine" } | { "of": "container", 
/**
 * The engine's id.
 */
id: string, };

/**
 * What the page gets of a log.
 */
export type LogPiece = { "piece": "text", 
/**
 * With their line ends.
 */
text: string, } | { "piece": "end", 
/**
 * Why, if it is not as it should be.
 */
error: string | null, };

/**
 * All images, and the disk that they take.
 */
export type Images = { 
/**
 * The newest first.
 */
images: Array<Image>, 
/**
 * All their layers; one that several share counts once.
 */
layers_bytes: number, 
/**
 * What of it would come back if all were removed that nothing uses.
 */
reclaimable_bytes: number, 
/**
 * The build cache.
 */
cache_bytes: number, 
/**
 * What of it would come back.
 */
cache_reclaimable_bytes: number, };

/**
 * One image.
 */
export type Image = { 
/**
 * The engine's id.
 */
id: string, 
/**
 * With their tags; none when another image has taken them over.
 */
names: Array<string>, 
/**
 * When it was built, in seconds since the Unix epoch.
 */
created_s: number, 
/**
 * With its layers.
 */
size_bytes: number, 
/**
 * What of it other images share.
 */
shared_bytes: number, 
/**
 * Containers made of it, by name, those that have ended too.
 */
users: Array<string>, };

/**
 * A step of an image's making.
 */
export type ImageStep = { 
/**
 * When, in seconds since the Unix epoch.
 */
created_s: number, 
/**
 * What was done, in the builder's words.
 */
made_by: string, 
/**
 * What it has added to the image.
 */
size_bytes: number, };

/**
 * What the page gets of a pull.
 */
export type PullPiece = { "piece": "layer", 
/**
 * Its short id.
 */
id: string, 
/**
 * Where it is, in the engine's words.
 */
status: string, 
/**
 * Bytes that are there of this step.
 */
current: number, 
/**
 * Bytes that the step has; 0 where that is not known.
 */
total: number, } | { "piece": "note", 
/**
 * In the engine's words.
 */
text: string, } | { "piece": "end", 
/**
 * Why, if it is not as it should be.
 */
error: string | null, };

/**
 * One volume.
 */
export type VolumeInfo = { 
/**
 * Its name, which is its id too.
 */
name: string, 
/**
 * What keeps it.
 */
driver: string, 
/**
 * Compose's project.
 */
project: string | null, 
/**
 * Whether the engine has named it for one container.
 */
anonymous: boolean, 
/**
 * Containers that mount it, by name.
 */
users: Array<string>, };

/**
 * What a volume takes on the VM's disk.
 */
export type VolumeSize = { 
/**
 * The volume.
 */
name: string, 
/**
 * Null where its driver does not say.
 */
bytes: number | null, };

/**
 * One network.
 */
export type NetworkInfo = { 
/**
 * The engine's id.
 */
id: string, 
/**
 * Its name.
 */
name: string, 
/**
 * What makes it.
 */
driver: string, 
/**
 * `local`, or `swarm` for all nodes.
 */
scope: string, 
/**
 * Addresses in it, as `172.18.0.0/16`.
 */
subnets: Array<string>, 
/**
 * Whether nothing leads out of it.
 */
internal: boolean, 
/**
 * Whether the engine needs it and lets nobody remove it.
 */
own: boolean, 
/**
 * Containers in it, by name.
 */
users: Array<string>, };

/**
 * What can be looked at.
 */
export type Thing = "container" | "image" | "volume" | "network";

/**
 * A file that is not as in the image.
 */
export type FileChange = { 
/**
 * In the container.
 */
path: string, 
/**
 * How.
 */
kind: FileChangeKind, };

/**
 * How a file is not as in the image.
 */
export type FileChangeKind = "modified" | "added" | "deleted";

/**
 * What a container takes during one second.
 */
export type Usage = { 
/**
 * Per cent of one processor.
 */
cpu_percent: number, 
/**
 * Without files that are only kept in memory because there is room.
 */
memory_bytes: number, 
/**
 * What it may have; all of the VM's where it has no limit.
 */
memory_limit_bytes: number, 
/**
 * Read from disks, bytes a second.
 */
disk_read: number, 
/**
 * Written to disks, bytes a second.
 */
disk_written: number, 
/**
 * Received from networks, bytes a second.
 */
received: number, 
/**
 * Sent to networks, bytes a second.
 */
sent: number, };

/**
 * How many letters a terminal has.
 */
export type TerminalSize = { 
/**
 * In a line.
 */
columns: number, 
/**
 * Lines.
 */
rows: number, };

/**
 * What the page gets of a terminal.
 */
export type TerminalPiece = { "piece": "text", 
/**
 * Whole letters.
 */
text: string, } | { "piece": "end", 
/**
 * Why, if it is not as it should be.
 */
error: string | null, };

/**
 * What the page gets of edits.
 */
export type EditPiece = { "piece": "step", 
/**
 * In the daemon's words.
 */
line: WatchLine, } | { "piece": "end", 
/**
 * Why, if it is not as it should be.
 */
error: string | null, };

/**
 * A failure as it crosses the API.
 */
export type ApiError = { 
/**
 * Stable code.
 */
code: ErrorCode, 
/**
 * One sentence for the person, with the remedy.
 */
message: string, };

/**
 * Stable codes; the command's exit codes follow from them
 * (`docs/command.md`).
 */
export type ErrorCode = "invalid-input" | "wrong-state" | "missing" | "vm-failed" | "engine-failed" | "already-running" | "daemon-unreachable" | "host" | "internal";

/**
 * Everything about this Coracle at one moment.
 */
export type Status = { 
/**
 * The VM.
 */
vm: VmStatus, 
/**
 * The engine in it.
 */
engine: EngineStatus, 
/**
 * What the driver found on the host; null until the first start has looked.
 */
host: HostSupport | null, 
/**
 * Versions of the parts.
 */
versions: Versions, 
/**
 * Published ports, wanted and actual.
 */
ports: Array<PortStatus>, 
/**
 * Shared folders.
 */
shares: Array<ShareStatus>, 
/**
 * Why it works less well than it should, one sentence each; empty is healthy.
 */
degraded: Array<string>, 
/**
 * Docker's socket.
 */
engine_socket: string, 
/**
 * The state folder.
 */
home: string, };

/**
 * The VM.
 */
export type VmStatus = { 
/**
 * Where in its life.
 */
state: VmState, 
/**
 * Whether it runs and is paused because nobody uses it: whatever it is asked for wakes it.
 */
asleep: boolean, 
/**
 * Virtual CPUs.
 */
cpus: number, 
/**
 * Memory in MiB.
 */
memory_mib: number, 
/**
 * Size of the data disk in bytes, as the guest sees it.
 */
disk_bytes: number, 
/**
 * What the data disk's file takes on the host, in bytes.
 */
disk_used_bytes: number, 
/**
 * What the VM takes from the host; null when there is none.
 */
usage: VmUsage | null, 
/**
 * What it takes of the processors now, in percent of one; null when it stands still or nobody has looked yet.
 */
cpu_percent: number | null, 
/**
 * Seconds since the guest booted; null when there is none.
 */
uptime_s: number | null, 
/**
 * How often it ended by itself and was started again since `start`.
 */
restarts: number, 
/**
 * Why it failed last, if it did.
 */
last_error: ApiError | null, 
/**
 * Why a stop would shut it down, which ends its containers, one sentence; null where a stop suspends it, and
 * where there is nothing to suspend.
 */
cannot_suspend: string | null, 
/**
 * Keys of the settings that have changed since it was started and that it takes up at its next start.
 */
changed_settings: Array<string>, };

/**
 * States of the VM's life.
 */
export type VmState = "stopped" | "suspended" | "booting" | "engine-starting" | "running" | "stopping" | "failed";

/**
 * What a VM takes from the host.
 */
export type VmUsage = { 
/**
 * Resident memory, in bytes, helpers included.
 */
resident_bytes: number, 
/**
 * CPU time since the start, in milliseconds, helpers included.
 */
cpu_ms: number, };

/**
 * The engine.
 */
export type EngineStatus = { 
/**
 * Whether its API answers.
 */
ready: boolean, 
/**
 * What it says when it is not, with the reason.
 */
note: string | null, };

/**
 * What the driver found on this host.
 */
export type HostSupport = { 
/**
 * Name and version of the hypervisor, as `QEMU 10.0.2`.
 */
hypervisor: string, 
/**
 * The accelerator that will be used: `kvm`, `tcg`, `hvf`, `hyperv`.
 */
accelerator: string, 
/**
 * Why it is not the fast one, if it is not; one sentence with the remedy.
 */
accelerator_note: string | null, 
/**
 * What VMs of this driver can do on this host.
 */
capabilities: Capabilities, };

/**
 * Abilities that not every driver on every host has.
 */
export type Capabilities = { 
/**
 * Memory can be saved to a file and the VM continued from it.
 */
suspend: boolean, 
/**
 * Memory and data disk can be kept as they are at an instant, and taken back to it.
 */
snapshots: boolean, 
/**
 * Freed guest memory goes back to the host.
 */
"free-page-reporting": boolean, 
/**
 * Host folders can be shared.
 */
shares: boolean, 
/**
 * A data disk's file gives discarded blocks back.
 */
discard: boolean, };

/**
 * Versions of the parts; null for what is not running.
 */
export type Versions = { 
/**
 * The daemon's.
 */
coracle: string, 
/**
 * The VM image's.
 */
image: string | null, 
/**
 * The guest agent's.
 */
agent: string | null, 
/**
 * The guest kernel's release.
 */
kernel: string | null, 
/**
 * The Docker engine's.
 */
engine: string | null, };

/**
 * One published port.
 */
export type PortStatus = { 
/**
 * `tcp` or `udp`.
 */
protocol: string, 
/**
 * Address and port on the host, as `0.0.0.0:8080`.
 */
host: string, 
/**
 * Address and port of the container.
 */
container: string, 
/**
 * Null when the host listens, else why not.
 */
error: string | null, };

/**
 * One shared folder.
 */
export type ShareStatus = { 
/**
 * The folder, the same on host and guest.
 */
path: string, 
/**
 * Whether the guest has it mounted.
 */
mounted: boolean, };

/**
 * One setting as the daemon describes it.
 */
export type Setting = { 
/**
 * Dotted name, as `vm.cpus`.
 */
key: string, 
/**
 * What is in force.
 */
value: JsonValue, 
/**
 * What it would be by default.
 */
default: JsonValue, 
/**
 * One sentence: meaning, unit, range.
 */
description: string, 
/**
 * Whether a running VM takes it up only at its next start.
 */
needs_restart: boolean, };

/**
 * A wish to change one setting.
 */
export type SettingChange = { 
/**
 * Dotted name.
 */
key: string, 
/**
 * New value; null for the default.
 */
value: JsonValue, };

/**
 * What became of the wishes.
 */
export type SettingsChanged = { 
/**
 * The settings that changed.
 */
changed: Array<Setting>, 
/**
 * Whether the running VM must be restarted for some of them.
 */
restart_needed: boolean, };

/**
 * A snapshot of the VM: memory and data disk of one instant.
 */
export type Snapshot = { 
/**
 * Its name, unique among them.
 */
name: string, 
/**
 * When it was taken, in seconds since the Unix epoch; null when it is damaged.
 */
taken_s: number | null, 
/**
 * For how long the VM was paused for it, in milliseconds; null when it is damaged.
 */
pause_ms: number | null, 
/**
 * What its memory takes on the host, in bytes.
 */
memory_bytes: number, 
/**
 * Why it cannot be restored, if it is damaged; one sentence.
 */
error: string | null, };

/**
 * The engine's swarm and its services.
 */
export type SwarmStatus = { 
/**
 * Where it is.
 */
state: SwarmState, 
/**
 * What the engine says when it is not as it should be.
 */
error: string | null, 
/**
 * By name; empty unless the state is `on`.
 */
services: Array<SwarmService>, };

/**
 * States of the engine's swarm.
 */
export type SwarmState = "off" | "on" | "starting" | "locked" | "worker" | "failed";

/**
 * One service.
 */
export type SwarmService = { 
/**
 * Its name.
 */
name: string, 
/**
 * The image, as the service names it.
 */
image: string, 
/**
 * `replicated`, `global`, `replicated-job` or `global-job`.
 */
mode: string, 
/**
 * Replicas that run.
 */
running: number, 
/**
 * Replicas that should.
 */
desired: number, 
/**
 * What an update or rollback is at, in the engine's words; null when there was none.
 */
update: string | null, 
/**
 * Published ports.
 */
ports: Array<SwarmPort>, };

/**
 * A published port of a service.
 */
export type SwarmPort = { 
/**
 * `tcp`, `udp` or `sctp`.
 */
protocol: string, 
/**
 * On the host; 0 when the engine chooses it for each replica.
 */
published: number, 
/**
 * In the containers.
 */
target: number, 
/**
 * `ingress` (all replicas behind one port) or `host` (each replica its own).
 */
mode: string, 
/**
 * Null when the host listens, else why not.
 */
error: string | null, };

/**
 * A line of the answer. Times are milliseconds since the host's watcher saw the edit.
 */
export type WatchLine = { "step": "watching", 
/**
 * Containers that run.
 */
containers: Array<WatchedContainer>, } | { "step": "delivered", 
/**
 * Number of this save; they grow, and begin anew with each start of the VM.
 */
save: number, 
/**
 * The files on the host; what is not UTF-8 in a name is replaced.
 */
paths: Array<string>, 
/**
 * So many were changed that `paths` are the folders they are in.
 */
overflow: boolean, 
/**
 * Names of the containers.
 */
containers: Array<string>, 
/**
 * From the file's time of modification until the host's watcher saw it; null when that time does not
 * tell of this edit.
 */
seen_ms: number | null, 
/**
 * Until the guest had raised the last event.
 */
delivered_ms: number, } | { "step": "reloaded", 
/**
 * The first save that it was for; null if that is not known.
 */
save: number | null, 
/**
 * The container's name.
 */
container: string, 
/**
 * What was done, as `restart`.
 */
action: string, 
/**
 * Until it was done.
 */
reloaded_ms: number, 
/**
 * Why it failed.
 */
error: string | null, } | { "step": "answered", 
/**
 * The save before it.
 */
save: number, 
/**
 * The container's name.
 */
container: string, 
/**
 * Where it was asked, as `127.0.0.1:8080`.
 */
address: string, 
/**
 * Until the answer was there.
 */
answered_ms: number, 
/**
 * What took longest.
 */
slowest: WatchStage, 
/**
 * How long that took.
 */
slowest_ms: number, } | { "step": "unchanged", 
/**
 * The save before it.
 */
save: number, 
/**
 * The container's name.
 */
container: string, 
/**
 * Where it was asked.
 */
address: string, 
/**
 * For how long it was asked.
 */
waited_ms: number, } | { "step": "missed", 
/**
 * How many.
 */
steps: number, };

/**
 * A container whose files are watched.
 */
export type WatchedContainer = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its service of compose or swarm.
 */
service: string | null, 
/**
 * Its published TCP ports on the host, as `127.0.0.1:8080`.
 */
addresses: Array<string>, 
/**
 * Whether its labels ask for a reload.
 */
reloads: boolean, };

/**
 * A part of an edit's way.
 */
export type WatchStage = "delivery" | "reload" | "program";

/**
 * A debug session.
 */
export type DebugSession = { 
/**
 * Its number.
 */
id: number, 
/**
 * What was asked for.
 */
target: string, 
/**
 * The container's name.
 */
container: string, 
/**
 * The process as the container counts, when the session began.
 */
pid: number, 
/**
 * Program and arguments of the process.
 */
command: Array<string>, 
/**
 * What executes the code.
 */
runtime: Runtime, 
/**
 * Where debuggers connect to: `127.0.0.1:PORT`.
 */
address: string, 
/**
 * Folders of the host and where they are in the container.
 */
paths: Array<DebugPath>, 
/**
 * The entry for VS Code's `launch.json`.
 */
configuration: JsonValue, 
/**
 * What makes debugging worse than it could be; null when nothing does.
 */
note: string | null, 
/**
 * Whether it was there before it was asked for.
 */
existing: boolean, 
/**
 * The file that has the configuration now; null when none was asked for.
 */
written: string | null, };

/**
 * A folder on both sides.
 */
export type DebugPath = { 
/**
 * On the host.
 */
local: string, 
/**
 * In the container.
 */
remote: string, };

/**
 * What executes the code, and so what debugs it.
 */
export type Runtime = "native" | "node" | "python";

