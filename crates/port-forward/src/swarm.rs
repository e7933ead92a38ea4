//! The ingress ports of swarm services.
//!
//! They do not pass the userland proxy, so no lease asks for them: the engine's list of
//! services says what is wanted, its events say when to look again. Ports of mode `host` belong
//! to a container and come as leases, which are told [where to go](crate::placing).
//!
//! While there are no such ports nothing is asked: one request for events stays open, with a
//! swarm or without. By the clock are looked after: a port that cannot be served, a swarm that
//! is just coming up, and ports that are served, since an engine that leaves its swarm does not
//! always tell.

mod ports;
mod services;

use std::future::pending;
use std::net::IpAddr;
use std::time::Duration;

use coracle_guest_api::mux::Opener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::forwarder::Forwarder;
use coracle_engine_client::{Events, Failure};
use ports::Ports;
pub(crate) use services::fuzzing;

/// One look at a rolling update's burst of events, rather than one for each.
const SETTLE: Duration = Duration::from_millis(50);

/// How long the engine may take for a list; without a leader a manager does not answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Pauses before what did not work is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long ports may outlive a swarm that was left without an event.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// See [`Forwarder::follow_services`].
pub(crate) async fn follow(forwarder: &Forwarder, opener: Opener) {
    let mut ports = Ports::new(forwarder.clone());
    // What is asked all the time must keep no VM awake.
    let opener = opener.in_background();
    let mut pause = Pause::default();
    let mut publish_on = forwarder.publish_on();
    let followed = async {
        loop {
            let Err(error) = keep(&opener, &mut ports, &mut publish_on, &mut pause).await;
            tracing::debug!(%error, "the engine's events have ended");
            sleep(pause.next()).await;
        }
    };
    tokio::select! {
        () = followed => {}
        () = opener.ended() => {}
    }
}

/// Keeps the ports as the engine wishes for as long as its events come.
async fn keep(
    opener: &Opener,
    ports: &mut Ports,
    publish_on: &mut watch::Receiver<Option<IpAddr>>,
    pause: &mut Pause,
) -> Result<std::convert::Infallible, Failure> {
    // Before the list: what changes in between is not missed.
    let mut events = Events::open(opener, &filters()).await?;
    loop {
        let address = *publish_on.borrow_and_update();
        let listed = timeout(ANSWER, services::wanted(opener, address))
            .await
            .unwrap_or_else(|_| Err("the engine did not list its services in time".into()));
        let (settled, serving) = match listed {
            Ok(wanted) => {
                let serving = !wanted.ports.is_empty();
                ports.place(wanted.placed);
                (ports.adjust(wanted.ports).await && wanted.settled, serving)
            }
            Err(error) => {
                tracing::debug!(%error, "the services are not known");
                (false, false)
            }
        };
        let again = async {
            match (settled, serving) {
                (true, false) => pending().await,
                (true, true) => sleep(LOOK_AGAIN).await,
                (false, _) => sleep(pause.next()).await,
            }
        };
        tokio::select! {
            event = events.next() => {
                event?;
                sleep(SETTLE).await;
                events.skip();
                *pause = Pause::default();
            }
            Ok(()) = publish_on.changed() => {}
            () = again => {}
        }
    }
}

/// What is worth a new look. A swarm that is left removes its network and says nothing else; what
/// containers do with networks does not matter.
fn filters() -> serde_json::Value {
    serde_json::json!({
        "type": ["service", "node", "network"],
        "event": ["create", "update", "remove", "destroy"],
    })
}

/// Longer each time.
struct Pause(Duration);

impl Pause {
    fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(LONGEST_PAUSE);
        now
    }
}

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}
