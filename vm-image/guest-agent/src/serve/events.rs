//! The engine's state and the degradations, as they change.

use coracle_guest_api::message;
use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::status::AgentEvent;
use tokio::io::AsyncReadExt;

use super::{Failure, accept};
use crate::guest::Guest;

/// Sends both now, then each that changes, for as long as the daemon listens.
pub(super) async fn events(guest: &Guest, mut stream: MuxStream) -> Result<(), Failure> {
    accept(&mut stream).await?;
    let mut engine = guest.engine.subscribe();
    let mut degraded = guest.degraded.changes();
    engine.mark_changed();
    degraded.mark_changed();
    let (mut reader, mut writer) = tokio::io::split(stream);
    loop {
        let event = tokio::select! {
            biased;
            Ok(()) = engine.changed() => AgentEvent::Engine(engine.borrow_and_update().clone()),
            Ok(()) = degraded.changed() => AgentEvent::Degraded {
                reasons: degraded.borrow_and_update().values().cloned().collect(),
            },
            // Nothing is expected from there but the end.
            _ = reader.read_u8() => return Ok(()),
        };
        message::write(&mut writer, &event).await?;
    }
}
