//! One lease: a port that the guest holds by a stream.

use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::port::PortRequest;
use coracle_guest_api::{StreamReply, message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::forwarder::Forwarder;

/// See [`Forwarder::lease`].
pub(crate) async fn serve(forwarder: &Forwarder, request: PortRequest, mut stream: MuxStream) {
    let mut cleared = forwarder.cleared();
    let granted = match forwarder.grant(&request).await {
        Ok(granted) => granted,
        Err(error) => {
            tracing::info!(%error, "a port was refused");
            let _ = message::write(&mut stream, &StreamReply::Err(error)).await;
            let _ = stream.shutdown().await;
            return;
        }
    };
    tokio::select! {
        () = hold(&mut stream) => {}
        _ = cleared.changed() => {}
    }
    // The port is free before the guest can see the stream's end.
    drop(granted);
}

/// Says yes, then waits for the stream's end.
async fn hold(stream: &mut MuxStream) {
    if message::write(stream, &StreamReply::OK).await.is_err() {
        return;
    }
    let mut scrap = [0; 64];
    while matches!(stream.read(&mut scrap).await, Ok(1..)) {}
}
