use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::containers::Container;

/// A step of an edit on its way to the programs in containers.
#[derive(Clone, Debug)]
pub enum Step {
    /// Its events were raised in the guest.
    Delivered(Delivered),
    /// What a container's labels ask for was done.
    Reloaded(Reloaded),
}

/// Edits that were told together.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Number of this save; they grow.
    pub save: u64,
    /// The files on the host, each once, the last one changed at the end.
    pub paths: Vec<PathBuf>,
    /// So much came that not every file is known.
    pub overflow: bool,
    /// When the host's watcher saw the first.
    pub seen: Instant,
    /// From then until the guest had raised the last event.
    pub after: Duration,
    /// Who mounts one of the files.
    pub containers: Vec<Mounting>,
}

/// A container that mounts files of the host. The guest says so: nothing in it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounting {
    /// The engine's id.
    pub id: String,
    /// As people know it.
    pub name: String,
    /// Its service of compose or of swarm.
    pub service: Option<String>,
    /// Its addresses in the guest.
    pub addresses: Vec<IpAddr>,
    /// Whether it is reloaded by its labels.
    pub reloads: bool,
    /// Whether it has just ended, and may be restarting.
    pub away: bool,
    /// Whether it is about to start: it has no address yet.
    pub starting: bool,
}

/// The end of a reload.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// The first save that it is for; none if saves were lost sight of.
    pub save: Option<u64>,
    /// The container's id.
    pub id: String,
    /// What was done, as `restart`.
    pub action: String,
    /// From when the save was seen.
    pub after: Duration,
    /// Why it failed.
    pub error: Option<String>,
}

impl Mounting {
    pub(crate) fn of(container: &Container) -> Self {
        Self {
            id: container.id.clone(),
            name: container.name().to_owned(),
            service: container.service().map(str::to_owned),
            addresses: container.addresses(),
            reloads: crate::reload::is_wanted(container),
            away: container.state.is_empty(),
            starting: container.state == "created",
        }
    }
}
