use std::{io, path::Path};

use tokio::net::UnixStream;

pub(crate) async fn connect(socket: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket).await
}
