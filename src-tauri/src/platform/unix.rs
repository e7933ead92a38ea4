use std::io;
use std::path::Path;

use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

/// A connection to the engine's socket.
pub(crate) async fn connect(socket: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket).await
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
