use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

/// A connection to the engine's socket.
pub(crate) async fn connect(socket: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket).await
}

/// Keeps a signal to all that runs in this program's terminal from one that it starts.
pub(crate) fn set_apart(command: &mut Command) {
    command.process_group(0);
}

/// Completes when the process is asked to end: at the end of the session, or by Ctrl-C in the terminal that it was
/// started from.
pub(crate) async fn told_to_end() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
