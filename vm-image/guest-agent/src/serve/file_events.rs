//! Changes of the shared folders, delivered one batch after the other.

use std::sync::Arc;

use coracle_guest_api::file_events::{self, Outcome};
use coracle_guest_api::mux::MuxStream;
use tokio::io::AsyncWriteExt;

use super::{Failure, accept};
use crate::file_events::Delivery;
use crate::guest::Guest;

/// Acknowledges each batch once its events are raised, until the daemon has no more.
pub(super) async fn file_events(guest: &Arc<Guest>, mut stream: MuxStream) -> Result<(), Failure> {
    // Here and below the file server may take its time.
    let own = guest.clone();
    let beginning = tokio::task::spawn_blocking(move || Delivery::new(&own));
    let mut delivery = beginning.await.map_err(std::io::Error::other)?;
    accept(&mut stream).await?;
    let (mut reader, mut writer) = tokio::io::split(stream);
    while let Some(batch) = file_events::read(&mut reader).await? {
        let (own, sequence) = (guest.clone(), batch.sequence);
        let delivering = tokio::task::spawn_blocking(move || {
            let outcome = delivery.deliver(&own, &batch);
            (delivery, outcome)
        });
        let outcome: Outcome;
        (delivery, outcome) = delivering.await.map_err(std::io::Error::other)?;
        file_events::write_ack(&mut writer, sequence, &outcome).await?;
    }
    Ok(writer.shutdown().await?)
}
