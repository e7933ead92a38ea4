//! Connections inside the network of a container.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

/// How long a program in the same machine may take to accept.
const DIAL_WITHIN: Duration = Duration::from_secs(5);

/// Connects to `address` as a process in the network namespace of `pid` would.
pub(super) async fn dial(pid: u32, address: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    let stream = inside(pid, move || {
        TcpStream::connect_timeout(&address, DIAL_WITHIN)
    })
    .await?;
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    tokio::net::TcpStream::from_std(stream)
}

/// A port of the loopback device there that nobody listens on now.
pub(super) async fn free_port(pid: u32) -> io::Result<u16> {
    let bound = inside(pid, || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).await?;
    Ok(bound.local_addr()?.port())
}

/// Does something in the network namespace of a process; sockets stay there.
async fn inside<T: Send + 'static>(
    pid: u32,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(move || {
        // A thread of its own: it never leaves that namespace.
        let thread = thread::Builder::new()
            .name("inside".into())
            .spawn(move || {
                setns(
                    File::open(format!("/proc/{pid}/ns/net"))?,
                    CloneFlags::CLONE_NEWNET,
                )?;
                work()
            })?;
        let broken = |_| {
            Err(io::Error::other(
                "the thread in the container's network broke",
            ))
        };
        thread.join().unwrap_or_else(broken)
    });
    done.await.map_err(io::Error::other)?
}
