//! Kernel settings, resource limits and the host name.

use std::fs;
use std::io;

use nix::sys::resource::{Resource, setrlimit};

/// Every name is a file below `/proc/sys`.
const SETTINGS: &[(&str, &str)] = &[
    // Containers and swarm route through this machine.
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv6/conf/default/forwarding", "1"),
    ("net/ipv4/neigh/default/gc_thresh1", "1024"),
    ("net/ipv4/neigh/default/gc_thresh2", "4096"),
    ("net/ipv4/neigh/default/gc_thresh3", "8192"),
    // File watchers of development servers: a whole node_modules each.
    ("fs/inotify/max_user_watches", "1048576"),
    ("fs/inotify/max_user_instances", "8192"),
    ("fs/inotify/max_queued_events", "65536"),
    ("fs/aio-max-nr", "1048576"),
    // What Elasticsearch and its like check at their start.
    ("vm/max_map_count", "262144"),
    // A container takes kernel keys for its session; the default ends at 200 containers.
    ("kernel/keys/maxkeys", "20000"),
    ("kernel/keys/maxbytes", "2000000"),
    ("kernel/pid_max", "4194304"),
];

/// Settings that exist once their module is loaded.
const AFTER_MODULES: &[(&str, &str)] = &[
    ("net/bridge/bridge-nf-call-iptables", "1"),
    ("net/bridge/bridge-nf-call-ip6tables", "1"),
];

/// Open files that a process of the engine, hence a container, may have.
const OPEN_FILES: u64 = 1_048_576;

/// Applies the settings that need no module, the limits and the name.
pub(crate) fn apply(hostname: &str) -> io::Result<()> {
    write_all(SETTINGS);
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES)?;
    setrlimit(
        Resource::RLIMIT_NPROC,
        nix::sys::resource::RLIM_INFINITY,
        nix::sys::resource::RLIM_INFINITY,
    )?;
    setrlimit(
        Resource::RLIMIT_CORE,
        nix::sys::resource::RLIM_INFINITY,
        nix::sys::resource::RLIM_INFINITY,
    )?;
    nix::unistd::sethostname(hostname)?;
    fs::write("/etc/hostname", format!("{hostname}\n"))
}

/// Applies the settings that come with modules.
pub(crate) fn apply_after_modules() {
    write_all(AFTER_MODULES);
}

fn write_all(settings: &[(&str, &str)]) {
    for (name, value) in settings {
        if let Err(error) = fs::write(format!("/proc/sys/{name}"), value) {
            tracing::warn!("{name} was not set to {value}: {error}");
        }
    }
}
