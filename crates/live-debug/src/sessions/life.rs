//! What goes on in a session: debuggers come, and containers go.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use coracle_guest_api::debug::Runtime;
use coracle_guest_api::mux::Guests;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Sessions, Wish, lock, target};
use crate::container::{self, Container};
use crate::engine::Engine;
use crate::error::DebugErrorKind;
use crate::{access, clients};

/// How long a container may be away: a restart or a rebuild ends one and starts the next.
const AWAY: Duration = Duration::from_secs(15);

const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Accepts debuggers. Dropping the future cuts all of them off.
pub(super) async fn serve(
    listener: TcpListener,
    runtime: Runtime,
    process: Option<u32>,
    current: Arc<Mutex<Container>>,
    guests: Guests,
) {
    let mut debuggers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let target = target(&lock(&current), process);
                    let guests = guests.clone();
                    debuggers.spawn(async move {
                        if !access::is_allowed(&client).await {
                            return;
                        }
                        if let Err(error) = clients::serve(client, runtime, target, guests).await {
                            tracing::info!(%error, "a debugger was broken off");
                        }
                    });
                }
                Err(error) => {
                    // Most likely too many open files, which takes a moment to change.
                    tracing::warn!(%error, "a debugger was not accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            // A panic in one connection stays in it.
            Some(_) = debuggers.join_next() => {}
        }
    }
}

/// Follows the container: when it ends, the one that takes its place is debugged, or the session ends. An engine
/// that does not answer has not said that it is gone.
pub(super) async fn follow(
    sessions: Sessions,
    id: u64,
    wish: Wish,
    current: Arc<Mutex<Container>>,
    engine: Arc<dyn Engine>,
) {
    loop {
        let container = lock(&current).id.clone();
        let path = format!("/containers/{container}/wait?condition=not-running");
        if engine.ask("POST", &path).await.is_err() {
            sleep(LOOK_AGAIN).await;
        }
        let mut until = Instant::now() + AWAY;
        let next = loop {
            sessions.guests.next().await;
            match container::find(&*engine, &wish.target).await {
                Ok(next) => break Some(next),
                Err(error) if error.kind == DebugErrorKind::Failed => {
                    sleep(LOOK_AGAIN).await;
                    until = Instant::now() + AWAY;
                }
                Err(_) if Instant::now() < until => sleep(LOOK_AGAIN).await,
                Err(_) => break None,
            }
        };
        match next {
            Some(next) => *lock(&current) = next,
            None => {
                tracing::info!(id, "a debug session ended with its container");
                sessions.forget(id);
                return;
            }
        }
    }
}
