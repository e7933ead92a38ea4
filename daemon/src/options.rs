use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use coracle_vm_driver::VmDriver;

use crate::clock::HostClock;
use crate::settings::HostFacts;

/// What the daemon is given from outside.
#[derive(Clone)]
pub struct Options {
    /// The VM image.
    pub image_dir: PathBuf,
    /// Makes the VMs.
    pub driver: Arc<dyn VmDriver>,
    /// What defaults and ranges of settings follow from.
    pub facts: HostFacts,
    /// How long things may take.
    pub limits: Limits,
    /// The time that the guest is told.
    pub clock: HostClock,
}

/// How long things may take, and how often the VM may end by itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the hypervisor's start to the agent's hello.
    pub hello: Duration,
    /// From the hello, or the engine's end, until the engine answers.
    pub engine: Duration,
    /// An orderly shutdown; then the VM is killed.
    pub shutdown: Duration,
    /// Until a guest that is to be suspended has written everything to its disks.
    pub sync: Duration,
    /// Killing it.
    pub kill: Duration,
    /// Any single answer of agent or driver.
    pub answer: Duration,
    /// How long nothing more may come back before a reclaim is over: the guest's kernel tells free
    /// memory every two seconds.
    pub still: Duration,
    /// Wait before the first restart of a VM that ended; twice as long before each further one.
    pub back_off: Duration,
    /// How many such restarts within [`window`](Self::window) are tried.
    pub restarts: usize,
    /// See [`restarts`](Self::restarts).
    pub window: Duration,
}

impl Default for Limits {
    /// Generous: an emulated processor takes about a minute to boot, and a busy host longer.
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(180),
            engine: Duration::from_secs(300),
            shutdown: Duration::from_secs(30),
            sync: Duration::from_secs(60),
            kill: Duration::from_secs(10),
            answer: Duration::from_secs(5),
            still: Duration::from_millis(4500),
            back_off: Duration::from_secs(1),
            restarts: 3,
            window: Duration::from_secs(600),
        }
    }
}
