//! The virtio-serial port of the transport.
//!
//! A port can be opened once, and closing it throws away what the host has sent; so it stays
//! open, and each connection works on a duplicate. Polling reports a hang-up while no host is connected, reads return
//! 0 then, and the hang-up sticks to a registration with the reactor: hence the wait for a host is a
//! slow poll and every connection gets a registration of its own.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use coracle_guest_api::TRANSPORT_NAME;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::BufStream;

use super::{FdStream, TransportSource};

/// Where the kernel lists the ports.
const PORTS: &str = "/sys/class/virtio-ports";

/// Bytes buffered in each direction: frames of the multiplexer leave in one piece, and the
/// pages that the device hands out are gathered.
const BUFFER: usize = 64 << 10;

/// How often the port is looked at while no daemon is connected.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the port may take to appear.
const APPEARS_WITHIN: Duration = Duration::from_secs(30);

/// The open port.
pub(crate) struct VirtioSerial {
    port: File,
}

impl VirtioSerial {
    /// Waits for the port to appear and opens it.
    pub(crate) async fn open() -> io::Result<Self> {
        let deadline = Instant::now() + APPEARS_WITHIN;
        loop {
            if let Some(path) = named(Path::new(PORTS), TRANSPORT_NAME) {
                let port = File::options().read(true).write(true).open(path)?;
                return Ok(Self { port });
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("the VM has no virtio-serial port {TRANSPORT_NAME}"),
                ));
            }
            tokio::time::sleep(LOOK_EVERY / 5).await;
        }
    }

    fn host_is_connected(&self) -> nix::Result<bool> {
        let mut fds = [PollFd::new(self.port.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO)?;
        let hung_up = fds[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLHUP));
        Ok(!hung_up)
    }
}

impl TransportSource for VirtioSerial {
    type Stream = BufStream<FdStream>;

    async fn next(&mut self) -> io::Result<Self::Stream> {
        while !self.host_is_connected()? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let stream = FdStream::new(OwnedFd::from(self.port.try_clone()?))?;
        Ok(BufStream::with_capacity(BUFFER, BUFFER, stream))
    }
}

/// The device node of the port called `name`.
fn named(folder: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let found = fs::read_to_string(entry.path().join("name")).ok()?;
        (found.trim() == name).then(|| Path::new("/dev").join(entry.file_name()))
    })
}
