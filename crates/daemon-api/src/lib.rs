//! The protocol between the host daemon and its clients: the command and the tray app.
//!
//! HTTP/1.1 over the daemon's private socket, JSON bodies; the paths are in [`paths`].
//! Long actions ([`paths::START`] and its like) answer with a stream of [`Progress`] lines (JSON, one a line), the last of
//! which is [`Progress::Done`] or [`Progress::Failed`]. Failures elsewhere are an [`ApiError`]
//! with a status of 4xx or 5xx.

mod client;
mod debug;
mod error;
mod platform;
mod reclaim;
mod settings;
mod snapshot;
mod status;
mod swarm;
mod watch;

// A client of the status needs no other crate to name its parts.
pub use coracle_vm_driver::{Capabilities, HostSupport, VmUsage};

pub use client::{ByteStream, Client, ClientError, Lines, ShellStream};
pub use debug::{DebugPath, DebugRequest, DebugSession, DebugStop, DebugWrite, Runtime};
pub use error::{ApiError, ErrorCode};
pub use reclaim::{Reclaimed, Taken};
pub use settings::{Setting, SettingChange, SettingsChanged};
pub use snapshot::{Snapshot, SnapshotName};
pub use status::{
    DaemonNews, EngineNews, EngineStatus, Hello, PortStatus, Progress, ShareStatus, Stage,
    StartOptions, Status, StopOptions, Versions, VmState, VmStatus,
};

pub use swarm::{SwarmChange, SwarmPort, SwarmService, SwarmState, SwarmStatus};
pub use watch::{WatchLine, WatchRequest, WatchStage, WatchedContainer};

/// Version of everything in this crate; a client refuses a daemon of another one.
pub const API_VERSION: u32 = 1;

/// Paths of the API.
pub mod paths {
    /// GET: [`Hello`](crate::Hello).
    pub const HELLO: &str = "/v1/hello";
    /// GET: [`Status`](crate::Status).
    pub const STATUS: &str = "/v1/status";
    /// GET: a [`DaemonNews`](crate::DaemonNews) line now and after each change, until the client leaves.
    pub const EVENTS: &str = "/v1/events";
    /// GET: an [`EngineNews`](crate::EngineNews) line at once and after each thing that happens to containers and
    /// services, until the client leaves or the VM does. It is no use that would keep a VM awake, as a stream
    /// of the engine's own events is.
    pub const ENGINE_NEWS: &str = "/v1/engine/news";
    /// GET: [`SwarmStatus`](crate::SwarmStatus). POST [`SwarmChange`](crate::SwarmChange): the
    /// status after it.
    pub const SWARM: &str = "/v1/swarm";
    /// GET: all [`DebugSession`](crate::DebugSession)s. POST [`DebugRequest`](crate::DebugRequest): the session.
    pub const DEBUG: &str = "/v1/debug";
    /// POST [`DebugStop`](crate::DebugStop): the [`DebugSession`](crate::DebugSession)s that were ended.
    pub const DEBUG_STOP: &str = "/v1/debug/stop";
    /// POST [`DebugWrite`](crate::DebugWrite): the [`DebugSession`](crate::DebugSession), whose configuration is written.
    pub const DEBUG_WRITE: &str = "/v1/debug/write";
    /// POST [`WatchRequest`](crate::WatchRequest): [`WatchLine`](crate::WatchLine)s until the client leaves.
    pub const WATCH: &str = "/v1/watch";
    /// POST: the VM gives back what it can do without; [`Reclaimed`](crate::Reclaimed), after some seconds.
    pub const RECLAIM: &str = "/v1/reclaim";
    /// POST [`StartOptions`](crate::StartOptions): progress lines.
    pub const START: &str = "/v1/start";
    /// POST [`StopOptions`](crate::StopOptions): progress lines.
    pub const STOP: &str = "/v1/stop";
    /// POST [`StartOptions`](crate::StartOptions): progress lines.
    pub const RESTART: &str = "/v1/restart";
    /// POST: stops the VM, deletes the data disk; progress lines.
    pub const RESET: &str = "/v1/reset";
    /// GET: all [`Snapshot`](crate::Snapshot)s, the oldest first. POST [`SnapshotName`](crate::SnapshotName):
    /// takes one of the running VM; progress lines.
    pub const SNAPSHOTS: &str = "/v1/snapshots";
    /// POST [`SnapshotName`](crate::SnapshotName): ends the VM as it is now, which is lost, and goes on from the
    /// snapshot; progress lines. Nothing has changed when the snapshot does not fit.
    pub const SNAPSHOT_RESTORE: &str = "/v1/snapshots/restore";
    /// POST [`SnapshotName`](crate::SnapshotName): progress lines.
    pub const SNAPSHOT_DELETE: &str = "/v1/snapshots/delete";
    /// GET: all [`Setting`](crate::Setting)s. PATCH a list of [`SettingChange`](crate::SettingChange):
    /// all or none are taken; answers [`SettingsChanged`](crate::SettingsChanged).
    pub const SETTINGS: &str = "/v1/settings";
    /// GET `?source=daemon|vm|engine&follow=true|false`: text.
    pub const LOGS: &str = "/v1/logs";
    /// POST an [`ExecRequest`](coracle_guest_api::exec::ExecRequest), `Connection: Upgrade`, `Upgrade: coracle-exec`: frames of
    /// [`coracle_guest_api::exec`].
    pub const SHELL: &str = "/v1/shell";
}
