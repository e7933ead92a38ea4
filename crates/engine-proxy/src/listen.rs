//! The listening socket.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::{EngineAccess, Patience};
use crate::connection::{self, Context};
use crate::engine::Resting;
use crate::mounts::MountPolicy;

/// Pause after a failed accept: the usual reason, no descriptors left, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves Docker's API on `listener` until the future is dropped, which resets all connections.
///
/// `access` says where the engine is, `policy` which folders may be mounted, and `publish_on` the address of
/// the host on which new containers publish ports that name none (`None`: the engine's choice, all); a change
/// of any counts from the next request on.
pub async fn serve(
    listener: UnixListener,
    access: watch::Receiver<EngineAccess>,
    policy: watch::Receiver<MountPolicy>,
    publish_on: watch::Receiver<Option<IpAddr>>,
) {
    serve_with(listener, access, policy, publish_on, Patience::default()).await;
}

pub(crate) async fn serve_with(
    listener: UnixListener,
    access: watch::Receiver<EngineAccess>,
    policy: watch::Receiver<MountPolicy>,
    publish_on: watch::Receiver<Option<IpAddr>>,
    patience: Patience,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let context = Context {
                        access: access.clone(),
                        policy: policy.clone(),
                        publish_on: publish_on.clone(),
                        patience,
                        resting: Resting::default(),
                    };
                    connections.spawn(connection::serve(stream, context));
                }
                Err(error) => {
                    tracing::warn!(%error, "the engine socket could not accept a client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                // A panic in one connection stays in it.
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection to the engine socket broke off");
                }
            }
        }
    }
}
