//! Follows what happens in the engine, and lists the containers again after each.

use std::time::Duration;

use coracle_daemon_api::{ApiError, Client};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::Engine;
use crate::controller::failed;
use crate::view::Container;

/// From news until the containers are listed, so that a burst is one.
const GATHER: Duration = Duration::from_millis(50);

/// Between two attempts.
const RETRY: Duration = Duration::from_millis(500);

/// Sends the containers now and after each change. Asks nothing while `listens` is false, because
/// that would wake a VM which sleeps.
pub(crate) async fn follow(
    client: Client,
    engine: Engine,
    mut listens: watch::Receiver<bool>,
    found: UnboundedSender<Vec<Container>>,
) {
    while listens.wait_for(|listens| *listens).await.is_ok() {
        if let Err(error) = one_connection(&client, &engine, &found).await {
            tracing::debug!(%error, "the engine's news ended");
        }
        if found.is_closed() {
            return;
        }
        sleep(RETRY).await;
    }
}

/// Until the news end: with the VM, or with its sleep on the disk.
async fn one_connection(
    client: &Client,
    engine: &Engine,
    found: &UnboundedSender<Vec<Container>>,
) -> Result<(), ApiError> {
    let changed = Notify::new();
    // The first news come when none can be missed any more.
    let news = client.engine_news(|_| {
        changed.notify_one();
        true
    });
    let lists = async {
        loop {
            changed.notified().await;
            sleep(GATHER).await;
            if found.send(engine.containers().await?).is_err() {
                return Ok(());
            }
        }
    };
    tokio::select! {
        ended = news => ended.map_err(|error| failed(&error)),
        ended = lists => ended,
    }
}
