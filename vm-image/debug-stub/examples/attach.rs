//! Serves one client of a process on this machine: `attach PID [PORT]` (0 chooses one) prints the port.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let pid = arguments.next().and_then(|pid| pid.parse().ok());
    let port = arguments.next().and_then(|port| port.parse().ok());
    let Some(pid) = pid else {
        eprintln!("usage: attach PID [PORT]");
        return ExitCode::from(2);
    };
    match accept(port.unwrap_or(0)) {
        Ok(stream) => coracle_debug_stub::run(pid, stream, |_, attached| {
            match attached {
                Ok(()) => eprintln!("attached"),
                Err(error) => eprintln!("{error}"),
            }
            Ok(())
        }),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One client; the stub does not care what kind of stream it is.
fn accept(port: u16) -> io::Result<UnixStream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("{}", listener.local_addr()?.port());
    io::stdout().flush()?;
    let (client, _) = listener.accept()?;
    client.set_nodelay(true)?;
    Ok(UnixStream::from(OwnedFd::from(client)))
}
