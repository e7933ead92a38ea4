use serde::{Deserialize, Serialize};

/// A wish to see edits arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRequest {
    /// Containers by name or id, and services of compose or swarm; all that mount files of the host
    /// if there are none.
    #[serde(default)]
    pub targets: Vec<String>,
}

/// A line of the answer. Times are milliseconds since the host's watcher saw the edit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum WatchLine {
    /// The first line: who is watched now.
    Watching {
        /// Containers that run.
        containers: Vec<WatchedContainer>,
    },
    /// Files were saved, and the containers' programs told.
    Delivered {
        /// Number of this save; they grow, and begin anew with each start of the VM.
        save: u64,
        /// The files on the host; what is not UTF-8 in a name is replaced.
        paths: Vec<String>,
        /// So many were changed that `paths` are the folders they are in.
        overflow: bool,
        /// Names of the containers.
        containers: Vec<String>,
        /// From the file's time of modification until the host's watcher saw it; null when that time does not
        /// tell of this edit.
        seen_ms: Option<f64>,
        /// Until the guest had raised the last event.
        delivered_ms: f64,
    },
    /// What the container's labels ask for was done.
    Reloaded {
        /// The first save that it was for; null if that is not known.
        save: Option<u64>,
        /// The container's name.
        container: String,
        /// What was done, as `restart`.
        action: String,
        /// Until it was done.
        reloaded_ms: f64,
        /// Why it failed.
        error: Option<String>,
    },
    /// The container's published port has answered `GET /` otherwise than before, or again after it
    /// had not answered.
    Answered {
        /// The save before it.
        save: u64,
        /// The container's name.
        container: String,
        /// Where it was asked, as `127.0.0.1:8080`.
        address: String,
        /// Until the answer was there.
        answered_ms: f64,
        /// What took longest.
        slowest: WatchStage,
        /// How long that took.
        slowest_ms: f64,
    },
    /// The same, but the answer has stayed what it was.
    Unchanged {
        /// The save before it.
        save: u64,
        /// The container's name.
        container: String,
        /// Where it was asked.
        address: String,
        /// For how long it was asked.
        waited_ms: f64,
    },
    /// Lines are missing: the client did not read fast enough.
    Missed {
        /// How many.
        steps: u64,
    },
}

/// A container whose files are watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct WatchedContainer {
    /// Its name.
    pub name: String,
    /// Its service of compose or swarm.
    pub service: Option<String>,
    /// Its published TCP ports on the host, as `127.0.0.1:8080`.
    pub addresses: Vec<String>,
    /// Whether its labels ask for a reload.
    pub reloads: bool,
}

/// A part of an edit's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum WatchStage {
    /// From the host's watcher to the event in the container.
    Delivery,
    /// What the labels ask for.
    Reload,
    /// The program itself, until it answers.
    Program,
}
