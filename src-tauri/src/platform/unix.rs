use std::io;
use std::path::Path;

use tokio::net::UnixStream;

/// A connection to the engine's socket.
pub(crate) async fn connect(socket: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket).await
}
