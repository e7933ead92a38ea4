//! The way to the engine, as the daemon knows it.

use std::sync::Arc;
use std::time::Duration;

use coracle_guest_api::mux::{MuxStream, Opener};
use coracle_guest_api::{AgentErrorCode, StreamHeader};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Whether the engine can be reached, and how.
#[derive(Clone, Debug)]
pub enum EngineAccess {
    /// The agent answers; it may still refuse while the engine restarts.
    Ready(Opener),
    /// On its way up: clients wait a while for it.
    Soon {
        /// One sentence for a client whose wait was in vain.
        message: String,
    },
    /// Away until somebody wants it: a client says so, and waits a while.
    OnDemand {
        /// Told that it is wanted.
        wanted: Arc<Notify>,
        /// One sentence for a client whose wait was in vain.
        message: String,
    },
    /// Not coming by itself: clients are told at once.
    Down {
        /// One sentence, with the remedy.
        message: String,
    },
}

/// How long a client waits for an engine that is on its way up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) total: Duration,
    /// Pause before a refused stream is asked for again.
    pub(crate) retry: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(60),
            retry: Duration::from_millis(250),
        }
    }
}

/// Why there is no stream to the engine.
#[derive(Debug)]
pub(crate) enum NoStream {
    /// The engine is not up; the sentence says why.
    Unavailable(String),
    /// The agent did not do as agreed.
    Broken(String),
}

/// Opens an engine stream, within the bounds of `patience`.
pub(crate) async fn connect(
    access: &mut watch::Receiver<EngineAccess>,
    patience: Patience,
) -> Result<MuxStream, NoStream> {
    let deadline = Instant::now() + patience.total;
    loop {
        let current = access.borrow_and_update().clone();
        let (reason, again) = match current {
            EngineAccess::Down { message } => return Err(NoStream::Unavailable(message)),
            EngineAccess::Soon { message } => (message, deadline),
            EngineAccess::OnDemand { wanted, message } => {
                wanted.notify_one();
                (message, deadline)
            }
            EngineAccess::Ready(opener) => {
                match timeout_at(deadline, opener.open(&StreamHeader::Engine)).await {
                    Ok(Ok((stream, _))) => return Ok(stream),
                    Ok(Err(error)) if error.code() == AgentErrorCode::EngineDown => {
                        (error.to_string(), Instant::now() + patience.retry)
                    }
                    Ok(Err(error)) => return Err(NoStream::Broken(error.to_string())),
                    Err(_) => {
                        let silent = "the VM did not answer in time; see `coracle status`";
                        return Err(NoStream::Unavailable(silent.into()));
                    }
                }
            }
        };
        tokio::select! {
            changed = access.changed() => match changed {
                Ok(()) => {}
                // Nobody is left who could bring the engine up.
                Err(_) => return Err(NoStream::Unavailable(reason)),
            },
            () = sleep_until(again.min(deadline)) => {
                if Instant::now() >= deadline {
                    return Err(NoStream::Unavailable(reason));
                }
            }
        }
    }
}
