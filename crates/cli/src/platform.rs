//! What differs between systems.

use std::ffi::OsString;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::{
    DOCKER_PLUGINS, EndRequests, TerminalResizes, append_private_file, create_private_file, editor,
    probes, process_runs, spawn_detached, symlink,
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
