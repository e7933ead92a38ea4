//! One client of the engine socket.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coracle_guest_api::relay;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::access::{EngineAccess, Patience};
use crate::engine::Resting;
use crate::exchange;
use crate::mounts::MountPolicy;

/// The longest head of a request, in bytes: what Go's servers take, for `X-Registry-Config`.
const MAX_HEAD: usize = (1 << 20) + 4096;

/// What a client that went away had sent before is still passed on for so long.
const REQUEST_GRACE: Duration = Duration::from_millis(500);

/// The same after an upgrade, where megabytes of input may be under way.
const INPUT_GRACE: Duration = Duration::from_secs(30);

/// What all connections know.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) access: watch::Receiver<EngineAccess>,
    pub(crate) policy: watch::Receiver<MountPolicy>,
    pub(crate) publish_on: watch::Receiver<Option<IpAddr>>,
    pub(crate) patience: Patience,
    /// Of one client: each has its own.
    pub(crate) resting: Resting,
}

/// An upgrade that both sides agreed on, before it is carried out.
pub(crate) struct Tunnel {
    pub(crate) client: OnUpgrade,
    pub(crate) engine: OnUpgrade,
    /// The engine's HTTP connection, which hands over its stream.
    pub(crate) connection: AbortOnDropHandle<()>,
}

/// Where a request leaves its [`Tunnel`] for the connection.
pub(crate) type TunnelSlot = Arc<Mutex<Option<Tunnel>>>;

/// Serves one client until it has gone or everything is said.
pub(crate) async fn serve(stream: UnixStream, context: Context) {
    let vanished = match Vanished::watch(&stream) {
        Ok(vanished) => vanished,
        Err(error) => {
            tracing::warn!(%error, "a client of the engine socket cannot be watched");
            return;
        }
    };
    let slot = TunnelSlot::default();
    let service = service_fn(|request| {
        let (context, slot) = (context.clone(), slot.clone());
        async move { Ok::<_, Infallible>(exchange::run(request, context, slot).await) }
    });
    let connection = http1::Builder::new()
        // A client may end its side and wait for the answer; whether it is gone for good
        // is seen by `vanished`.
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .preserve_header_case(true)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "a client of the engine socket was dropped");
            return;
        },
        () = vanished.for_longer_than(REQUEST_GRACE) => return,
    }
    let tunnel = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel {
        tokio::select! {
            result = carry(tunnel) => if let Err(error) = result {
                tracing::debug!(%error, "an upgraded connection broke off");
            },
            () = vanished.for_longer_than(INPUT_GRACE) => {}
        }
    }
}

async fn carry(tunnel: Tunnel) -> io::Result<()> {
    let (client, engine) =
        tokio::try_join!(tunnel.client, tunnel.engine).map_err(io::Error::other)?;
    relay::both_ways(TokioIo::new(client), TokioIo::new(engine)).await?;
    drop(tunnel.connection);
    Ok(())
}

/// Notices that a client has closed its socket, which, unlike the end of its input, is not
/// seen by reading. This is a second descriptor, so that its readiness is its own.
struct Vanished(UnixStream);

impl Vanished {
    fn watch(stream: &UnixStream) -> io::Result<Self> {
        let again = stream.as_fd().try_clone_to_owned()?;
        UnixStream::from_std(again.into()).map(Self)
    }

    async fn for_longer_than(&self, grace: Duration) {
        loop {
            match self.0.ready(Interest::WRITABLE).await {
                Ok(ready) if !ready.is_write_closed() => {
                    // Waits for the next event instead of being told the same again.
                    let seen = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                    let _ = self.0.try_io(Interest::WRITABLE, seen);
                }
                _ => break,
            }
        }
        tokio::time::sleep(grace).await;
    }
}
