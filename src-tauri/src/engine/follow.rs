//! Follows what happens in the engine, and lists again what there is after each.

use std::future::pending;
use std::time::Duration;

use coracle_daemon_api::{ApiError, Client, SwarmStatus};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::Engine;
use crate::controller::failed;
use crate::view::Container;

/// What the engine has.
#[derive(Debug)]
pub(crate) struct Found {
    /// By project and name.
    pub(crate) containers: Vec<Container>,
    /// None if the engine did not say.
    pub(crate) swarm: Option<SwarmStatus>,
}

/// From news until it is listed, so that a burst is one.
const GATHER: Duration = Duration::from_millis(50);

/// When it is listed again after news that left a service without all its replicas: a replica counts only some time
/// after the container's start, and the engine does not tell of it.
const CONVERGES: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
];

/// Between two attempts.
const RETRY: Duration = Duration::from_millis(500);

/// Sends what there is now and after each change. Asks nothing while `listens` is false, because
/// that would wake a VM which sleeps.
pub(crate) async fn follow(
    client: Client,
    engine: Engine,
    mut listens: watch::Receiver<bool>,
    found: UnboundedSender<Found>,
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
    found: &UnboundedSender<Found>,
) -> Result<(), ApiError> {
    let changed = Notify::new();
    // The first news come when none can be missed any more.
    let news = client.engine_news(|_| {
        changed.notify_one();
        true
    });
    let lists = async {
        let mut later = [].iter();
        loop {
            let again = async {
                match later.next() {
                    Some(pause) => sleep(*pause).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = changed.notified() => {
                    later = CONVERGES.iter();
                    sleep(GATHER).await;
                }
                () = again => {}
            }
            let containers = engine.containers().await?;
            // An engine that is busy with its swarm alone has containers all the same.
            let swarm = client.swarm().await.ok();
            if is_settled(swarm.as_ref()) {
                later = [].iter();
            }
            if found.send(Found { containers, swarm }).is_err() {
                return Ok(());
            }
        }
    };
    tokio::select! {
        ended = news => ended.map_err(|error| failed(&error)),
        ended = lists => ended,
    }
}

fn is_settled(swarm: Option<&SwarmStatus>) -> bool {
    let mut services = swarm.iter().flat_map(|swarm| &swarm.services);
    services.all(|service| service.running == service.desired)
}
