//! One lease: a port that the guest holds by a stream.

use std::time::Duration;

use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::port::PortRequest;
use coracle_guest_api::{AgentError, StreamReply, message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::forwarder::{Forwarder, Granted};
use crate::placing::{Place, Placed};

/// Pause before a place that a lease was moved to, and cannot have, is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// See [`Forwarder::lease`].
pub(crate) async fn serve(forwarder: &Forwarder, request: PortRequest, mut stream: MuxStream) {
    let mut cleared = forwarder.cleared();
    let mut placed = forwarder.placed();
    let place = Place::of(&request, &placed.borrow_and_update());
    let granted = match grant(forwarder, &request, &place).await {
        Ok(granted) => granted,
        Err(error) => {
            tracing::info!(%error, "a port was refused");
            let _ = message::write(&mut stream, &StreamReply::Err(error)).await;
            let _ = stream.shutdown().await;
            return;
        }
    };
    // Whichever ends first, the port is free before the guest can see the stream's end.
    tokio::select! {
        () = hold(&mut stream) => {}
        _ = cleared.changed() => {}
        () = follow(forwarder, &request, place, granted, placed) => {}
    }
}

async fn grant(
    forwarder: &Forwarder,
    request: &PortRequest,
    place: &Place,
) -> Result<Option<Granted>, AgentError> {
    match place {
        Place::AsAsked => forwarder.grant(request).await.map(Some),
        Place::At(request, _) => forwarder.grant(request).await.map(Some),
        Place::Nowhere => Ok(None),
    }
}

/// Holds the port where it is placed, wherever that is at the time; dropped, the port is released.
async fn follow(
    forwarder: &Forwarder,
    request: &PortRequest,
    mut place: Place,
    mut granted: Option<Granted>,
    mut placed: watch::Receiver<Placed>,
) {
    // The forwarder, which holds the sender, is here.
    while placed.changed().await.is_ok() {
        let now = Place::of(request, &placed.borrow_and_update());
        if now == place {
            continue;
        }
        drop(granted.take());
        granted = tokio::select! {
            granted = move_to(forwarder, request, &now) => granted,
            // Its next place counts.
            Ok(()) = has_left(request, &now, placed.clone()) => None,
        };
        place = now;
    }
}

/// Serves the port at its new place, however long that takes; what is in its way is told meanwhile.
async fn move_to(forwarder: &Forwarder, asked: &PortRequest, place: &Place) -> Option<Granted> {
    let (request, about) = match place {
        Place::Nowhere => return None,
        Place::AsAsked => (asked, "a container is not reachable".to_owned()),
        Place::At(request, service) => (
            request,
            format!("the swarm service {service} is not reachable"),
        ),
    };
    let wish = forwarder.wish();
    while !forwarder.attempt(&wish, request, &about).await {
        sleep(AGAIN).await;
    }
    Some(wish)
}

/// Returns when the place is another one.
async fn has_left(
    request: &PortRequest,
    place: &Place,
    mut placed: watch::Receiver<Placed>,
) -> Result<(), watch::error::RecvError> {
    placed
        .wait_for(|placed| Place::of(request, placed) != *place)
        .await
        .map(|_| ())
}

/// Says yes, then waits for the stream's end.
async fn hold(stream: &mut MuxStream) {
    if message::write(stream, &StreamReply::OK).await.is_err() {
        return;
    }
    let mut scrap = [0; 64];
    while matches!(stream.read(&mut scrap).await, Ok(1..)) {}
}
