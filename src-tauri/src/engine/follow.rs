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
pub(crate) enum Found {
    /// By project and name.
    Containers(Vec<Container>),
    /// None if the engine did not say.
    Swarm(Option<SwarmStatus>),
}

/// From news until it is listed, so that a burst is one.
const GATHER: Duration = Duration::from_millis(50);

/// When the swarm is asked again after news that left a service without all its replicas: a replica counts only some time
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
        if let Err(error) = one_connection(&client, &engine, &listens, &found).await {
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
    listens: &watch::Receiver<bool>,
    found: &UnboundedSender<Found>,
) -> Result<(), ApiError> {
    // Two, as an engine that is busy with its swarm has containers all the same.
    let changed = [Notify::new(), Notify::new()];
    // The first news come when none can be missed any more.
    let news = client.engine_news(|_| {
        for one in &changed {
            one.notify_one();
        }
        true
    });
    let [containers, swarm] = &changed;
    tokio::select! {
        ended = news => ended.map_err(|error| failed(&error)),
        ended = list_containers(engine, containers, listens.clone(), found) => ended,
        () = ask_the_swarm(client, swarm, listens.clone(), found) => Ok(()),
    }
}

/// Until nobody wants to know, or there is no engine.
async fn list_containers(
    engine: &Engine,
    changed: &Notify,
    mut listens: watch::Receiver<bool>,
    found: &UnboundedSender<Found>,
) -> Result<(), ApiError> {
    loop {
        changed.notified().await;
        sleep(GATHER).await;
        if listens.wait_for(|listens| *listens).await.is_err() {
            return Ok(());
        }
        let containers = engine.containers().await?;
        if found.send(Found::Containers(containers)).is_err() {
            return Ok(());
        }
    }
}

/// Until nobody wants to know.
async fn ask_the_swarm(
    client: &Client,
    changed: &Notify,
    mut listens: watch::Receiver<bool>,
    found: &UnboundedSender<Found>,
) {
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
        // It may have fallen asleep since the news.
        if listens.wait_for(|listens| *listens).await.is_err() {
            return;
        }
        let swarm = client.swarm().await.ok();
        if swarm.as_ref().is_some_and(is_settled) {
            later = [].iter();
        }
        if found.send(Found::Swarm(swarm)).is_err() {
            return;
        }
    }
}

fn is_settled(swarm: &SwarmStatus) -> bool {
    let mut services = swarm.services.iter();
    services.all(|service| service.running == service.desired)
}
