//! Follows the engine's events, and lists the containers again after each.

use std::pin::pin;
use std::time::Duration;

use coracle_daemon_api::ApiError;
use futures::StreamExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::Engine;
use crate::view::Container;

/// From an event until the containers are listed, so that a burst is one.
const GATHER: Duration = Duration::from_millis(50);

/// From the request for the events until they surely come: what happened before is found by
/// another look.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Between two attempts.
const RETRY: Duration = Duration::from_millis(500);

/// Sends the containers now and after each change. Asks nothing while `listens` is false, because
/// that would wake a VM which sleeps.
pub(crate) async fn follow(
    engine: Engine,
    mut listens: watch::Receiver<bool>,
    found: UnboundedSender<Vec<Container>>,
) {
    while listens.wait_for(|listens| *listens).await.is_ok() {
        if let Err(error) = one_connection(&engine, &found).await {
            tracing::debug!(%error, "the engine's events ended");
        }
        if found.is_closed() {
            return;
        }
        sleep(RETRY).await;
    }
}

/// Until the events end: with the VM, or with its sleep on the disk.
async fn one_connection(
    engine: &Engine,
    found: &UnboundedSender<Vec<Container>>,
) -> Result<(), ApiError> {
    let mut news = pin!(engine.news()?);
    let mut look = Some(Instant::now());
    let mut second = Some(Instant::now() + SECOND_LOOK);
    loop {
        tokio::select! {
            event = news.next() => match event {
                Some(event) => {
                    event?;
                    look.get_or_insert_with(|| Instant::now() + GATHER);
                }
                None => return Ok(()),
            },
            () = sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() => {
                look = second.take();
                if found.send(engine.containers().await?).is_err() {
                    return Ok(());
                }
            }
        }
    }
}
