//! The host daemon: owner of the VM, of the settings and of all sockets of one state folder.
//!
//! [`Claim`] takes the folder, [`run`] serves it until it is told to end. What happens in
//! between is one loop over one event enum (`daemon`), with the VM's life as a state machine
//! (`vm`). The API's connections, the proxy and the guest's streams are tasks of their own
//! which ask that loop by message.

mod api;
mod claim;
mod clock;
mod daemon;
mod disks;
mod drivers;
mod engine;
mod event;
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod idle;
mod image;
mod lent;
pub mod log;
mod memory;
mod options;
mod platform;
mod reclaim;
mod resolve;
mod settings;
mod snapshots;
mod status;
mod task;
mod vm;
mod waiters;

pub use claim::Claim;
pub use clock::HostClock;
pub use daemon::run;
pub use options::{Limits, Options};
pub use settings::{HostFacts, Proxies};

/// Everything that this host has and the environment says, for the folder of `paths`.
pub fn options(paths: &coracle_host_paths::HostPaths) -> std::io::Result<Options> {
    Ok(Options {
        image_dir: coracle_host_paths::image_dir(std::env::consts::ARCH),
        driver: drivers::driver(paths.home().into()),
        facts: HostFacts {
            cpus: std::thread::available_parallelism()?.get() as u32,
            memory_mib: platform::host_memory_mib()?,
            user_home: coracle_host_paths::user_home(),
            state: paths.home().into(),
            data_disk: paths.data_disk(),
            proxies: settings::Proxies::from_environment(),
        },
        limits: Limits::default(),
        clock: clock::HostClock::from_environment(),
    })
}

/// Restricts to this user what the process creates from now on.
pub fn privatize_new_files() {
    platform::privatize_new_files();
}

/// Raises the limit on descriptors as far as this user may.
pub fn raise_descriptor_limit() -> std::io::Result<()> {
    platform::raise_descriptor_limit()
}

/// Yields once for each request from outside that the process end.
pub fn signals() -> std::io::Result<tokio::sync::mpsc::Receiver<()>> {
    platform::signals()
}
