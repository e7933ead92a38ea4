//! The lines of a ring, and those to come.

use coracle_guest_api::mux::MuxStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Failure, accept};
use crate::log_ring::LogRing;

/// Sends the kept lines, then new ones for as long as the daemon listens.
pub(super) async fn log(
    ring: &LogRing,
    follow: bool,
    mut stream: MuxStream,
) -> Result<(), Failure> {
    accept(&mut stream).await?;
    let mut changes = ring.changes();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let send = async {
        let mut from = 0;
        loop {
            changes.mark_unchanged();
            let (lines, next) = ring.since(from);
            from = next;
            for line in lines {
                writer.write_all(format!("{line}\n").as_bytes()).await?;
            }
            writer.flush().await?;
            // The ring lives as long as the agent.
            if !follow || changes.changed().await.is_err() {
                return writer.shutdown().await;
            }
        }
    };
    if !follow {
        return Ok(send.await?);
    }
    tokio::select! {
        outcome = send => outcome?,
        // Nothing is expected from there but the end.
        _ = reader.read_u8() => {}
    }
    Ok(())
}
