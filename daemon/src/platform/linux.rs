use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Whence, lseek};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::SocketPlace;

/// The lock on a state folder. The kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct StateLock {
    _file: Flock<File>,
}

impl StateLock {
    /// Takes the lock and writes the process id into its file. `Ok(Err(text))` when
    /// another process has it: what that one wrote.
    pub(crate) fn take(path: &Path) -> io::Result<Result<Self, String>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                file.set_len(0)?;
                writeln!(file, "{}", std::process::id())?;
                Ok(Ok(Self { _file: file }))
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                Ok(Err(holder.trim().to_owned()))
            }
            Err((_, errno)) => Err(errno.into()),
        }
    }
}

/// From now on what this process creates belongs to its user alone.
pub(crate) fn privatize_new_files() {
    umask(Mode::from_bits_truncate(0o077));
}

/// Lets this process have as many descriptors as it may: each connection through a published
/// port takes one, and the usual soft limit is 1024.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// How many files a process of this user can have open.
pub(crate) fn descriptor_limit() -> io::Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(most)
}

/// Yields once for each request from outside that this process end.
pub(crate) fn signals() -> io::Result<mpsc::Receiver<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Makes a file anew, mode 0600; an earlier one is removed first, whatever its mode was.
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// Takes all rights from everyone but the owner.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// Looks at what is at a path where a socket is to be.
pub(crate) fn look_at_socket(path: &Path) -> io::Result<SocketPlace> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => Ok(SocketPlace::NoSocket),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Ok(SocketPlace::Stale)
            }
            // Also one whose queue is full, or that this user may not connect to.
            _ => Ok(SocketPlace::Served),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(SocketPlace::Free),
        Err(error) => Err(error),
    }
}

/// What a sparse file truly takes on the disk, in bytes.
pub(crate) fn allocated_bytes(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}

/// What this user may still write to the file system of a path, in bytes.
pub(crate) fn available_bytes(path: &Path) -> io::Result<u64> {
    let found = statvfs(path)?;
    Ok(found.blocks_available() * found.fragment_size())
}

/// The parts of a sparse file that are not holes, in order.
pub(crate) fn data_ranges(file: &File) -> io::Result<Vec<Range<u64>>> {
    let length = file.metadata()?.len();
    let (mut ranges, mut from) = (Vec::new(), 0);
    while from < length {
        let start = match lseek(file, from as i64, Whence::SeekData) {
            Ok(start) => start as u64,
            Err(Errno::ENXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = lseek(file, start as i64, Whence::SeekHole)? as u64;
        ranges.push(start..end);
        from = end;
    }
    Ok(ranges)
}

/// Tells one file from another under the same name.
pub(crate) fn file_identity(metadata: &Metadata) -> u64 {
    metadata.ino()
}

/// The host's memory in MiB.
pub(crate) fn host_memory_mib() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok())
        .map(|kib| kib / 1024)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no MemTotal in /proc/meminfo"))
}
