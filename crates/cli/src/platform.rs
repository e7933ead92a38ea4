//! What differs between systems.

use std::ffi::OsString;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod others;
#[cfg(unix)]
mod unix;
#[cfg(target_os = "linux")]
pub(crate) use linux::boot_entry;
#[cfg(not(target_os = "linux"))]
pub(crate) use others::boot_entry;
#[cfg(unix)]
pub(crate) use unix::{
    DEFAULT_SOCKET, DOCKER_PLUGINS, EndRequests, TerminalResizes, append_private_file, connect,
    create_private_file, editor, is_root, is_socket, let_all_read, probes, process_runs,
    spawn_detached, symlink,
};

/// A fact about the host for a diagnosis: where it comes from.
#[derive(Debug)]
pub(crate) enum Probe {
    /// The output of a program.
    Command(&'static str, Vec<OsString>),
    /// The content of a small file.
    File(&'static str),
    /// Whether it is there and can be opened to read and write.
    Device(&'static str),
}
