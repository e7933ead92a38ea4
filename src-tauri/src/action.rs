//! What a person can want of the app, from the tray and from the page.

use serde::{Deserialize, Serialize};

use crate::view::Availability;

/// What a person can want.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum Action {
    /// The daemon starts if there is none, so that there are settings; the VM does not.
    StartDaemon,
    /// The VM starts, and before it the daemon if there is none.
    Start,
    /// The sample of the first run is written and run.
    RunSample {
        /// An absolute path.
        folder: String,
    },
    /// The VM's memory goes to the disk; refused where it cannot.
    Suspend,
    /// The engine and the VM shut down in order.
    ShutDown,
    /// The VM stops and starts.
    Restart,
    /// A snapshot is taken.
    TakeSnapshot {
        /// Its name.
        name: String,
    },
    /// What the VM is now is lost, and it goes on from a snapshot.
    RestoreSnapshot {
        /// Its name.
        name: String,
    },
    /// A snapshot is deleted.
    DeleteSnapshot {
        /// Its name.
        name: String,
    },
    /// A debug session begins, or is there already.
    Debug {
        /// A container's name or id, or a service.
        target: String,
        /// The process as the container counts; null for the one that does its work.
        pid: Option<u32>,
    },
    /// A session's configuration is written for the editor, which then opens the folder.
    Edit {
        /// The session's number.
        id: u32,
        /// An absolute path.
        folder: String,
    },
    /// What is needed to report a defect is collected, and its folder shown.
    Diagnose,
    /// A debug session ends.
    StopDebug {
        /// Its number.
        id: u32,
    },
    /// Something happens to containers, at once; of several failures the first is told.
    Containers {
        /// The engine's ids.
        ids: Vec<String>,
        /// What.
        verb: ContainerVerb,
    },
    /// A service gets another number of replicas.
    Scale {
        /// The service's name.
        service: String,
        /// How many.
        replicas: u32,
    },
    /// A service's tasks are replaced by such of an image.
    Update {
        /// The service's name.
        service: String,
        /// The image.
        image: String,
        /// Tasks at a time; 0 for all at once.
        parallelism: u32,
        /// Seconds between them.
        delay_s: u32,
    },
    /// A node takes tasks, or not.
    Node {
        /// The engine's id.
        id: String,
        /// Which.
        availability: Availability,
    },
    /// Something that no container uses is removed.
    Remove {
        /// What it is.
        kind: Stored,
        /// The engine's id; of a volume, its name.
        id: String,
    },
    /// What builds have kept for the next is removed.
    ClearBuildCache,
}

/// What can happen to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum ContainerVerb {
    /// It starts.
    Start,
    /// It is told to stop, and killed if it does not.
    Stop,
    /// It stops and starts.
    Restart,
    /// It is killed and deleted with its anonymous volumes.
    Remove,
}

/// What the engine keeps besides containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum Stored {
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A network.
    Network,
}
