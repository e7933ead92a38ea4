//! What differs between operating systems: locks, signals, private files, sizes of the host.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    StateLock, allocated_bytes, create_private_file, file_identity, host_memory_mib,
    is_stale_socket, make_private, privatize_new_files, signals,
};
