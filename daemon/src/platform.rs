//! What differs between operating systems: locks, signals, private files, sizes of the host.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    StateLock, allocated_bytes, available_bytes, create_private_file, data_ranges,
    descriptor_limit, file_identity, host_memory_mib, look_at_socket, make_private,
    privatize_new_files, raise_descriptor_limit, signals,
};

/// What is at a path where a socket is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketPlace {
    /// Nothing.
    Free,
    /// A socket whose process is gone.
    Stale,
    /// A socket on which a process listens.
    Served,
    /// Something else.
    NoSocket,
}
