//! The owner of the table and its listeners.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coracle_guest_api::mux::{MuxStream, Opener};
use coracle_guest_api::port::PortRequest;
use coracle_guest_api::{AgentError, AgentErrorCode};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::bind::{self, Bound};
use crate::slot::Slot;
use crate::table::{PortEntry, Source, Table, Wish};
use crate::{lease, tcp, udp};

/// How long a port may be held by a container that is just stopping.
const HANDOVER: Duration = Duration::from_secs(2);

/// The published ports of one VM. Clones are the same forwarder.
#[derive(Clone)]
pub struct Forwarder {
    shared: Arc<Shared>,
}

struct Shared {
    ports: Mutex<Ports>,
    next_source: AtomicU64,
    /// Counts the table's changes.
    changed: watch::Sender<u64>,
    /// Counts the calls of `clear`.
    cleared: watch::Sender<u64>,
}

#[derive(Default)]
struct Ports {
    table: Table,
    listeners: HashMap<PortRequest, Listener>,
}

/// A bound socket and the task that serves it; dropped, the socket is closed at once.
struct Listener {
    close: Box<dyn Fn() + Send>,
    task: JoinHandle<()>,
}

/// A granted port; dropped, it is released.
pub(crate) struct Granted {
    shared: Arc<Shared>,
    source: Source,
}

impl Forwarder {
    /// A forwarder without ports.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                ports: Mutex::default(),
                next_source: AtomicU64::new(1),
                changed: watch::Sender::new(0),
                cleared: watch::Sender::new(0),
            }),
        }
    }

    /// Serves one lease: binds, answers on the stream with one
    /// [`StreamReply`](coracle_guest_api::StreamReply) (whose error is the failure of
    /// `docker run`), holds until the stream ends, then unbinds.
    ///
    /// The header of `stream` has been read. Connections are dialled by `opener`, the
    /// transport that the stream came from.
    pub async fn lease(&self, request: PortRequest, stream: MuxStream, opener: Opener) {
        lease::serve(self, request, stream, opener).await;
    }

    /// The wanted ports, in a stable order.
    pub fn ports(&self) -> Vec<PortEntry> {
        self.shared.lock().table.entries()
    }

    /// Changes whenever [`ports`](Self::ports) does.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Ends all leases and closes all ports: their VM has gone.
    pub fn clear(&self) {
        let mut ports = self.shared.lock();
        ports.table.clear();
        ports.listeners.clear();
        drop(ports);
        self.shared.cleared.send_modify(|count| *count += 1);
        self.shared.changed.send_modify(|count| *count += 1);
    }

    /// Changes when all leases are to end.
    pub(crate) fn cleared(&self) -> watch::Receiver<u64> {
        self.shared.cleared.subscribe()
    }

    /// Listens as `request` says, or shares the listener of the same request.
    pub(crate) async fn grant(
        &self,
        request: &PortRequest,
        opener: &Opener,
    ) -> Result<Granted, AgentError> {
        let source = Source(self.shared.next_source.fetch_add(1, Ordering::Relaxed));
        // Made first: also a wish that fails or is abandoned is released.
        let granted = Granted {
            shared: self.shared.clone(),
            source,
        };
        let mut changed = self.changed();
        let deadline = Instant::now() + HANDOVER;
        loop {
            changed.mark_unchanged();
            let wish = self.shared.wish(source, request, opener);
            let other = match wish {
                Ok(None) => return Ok(granted),
                Ok(Some(other)) => other,
                Err(error) => {
                    let request = request.clone();
                    let explained =
                        tokio::task::spawn_blocking(move || bind::explain(&request, &error)).await;
                    return Err(explained.unwrap_or_else(|error| {
                        AgentError::new(AgentErrorCode::Internal, error.to_string())
                    }));
                }
            };
            if timeout_at(deadline, changed.changed()).await.is_err() {
                return Err(AgentError::new(
                    AgentErrorCode::AddressInUse,
                    format!(
                        "port {} on {} is already in use on the host; the container at {} has \
                         published it: stop that, or publish another port",
                        request.host_port, request.host_ip, other.container_ip
                    ),
                ));
            }
        }
    }
}

impl Default for Forwarder {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a wish and fulfils it; returns the request that is in its way, if any.
    fn wish(
        &self,
        source: Source,
        request: &PortRequest,
        opener: &Opener,
    ) -> std::io::Result<Option<PortRequest>> {
        let mut ports = self.lock();
        match ports.table.want(source, request) {
            Wish::Taken(other) => return Ok(Some(other)),
            Wish::Shared => return Ok(None),
            Wish::Bind => {}
        }
        let bound = bind::bind(request);
        match &bound {
            Ok(_) => ports.table.bound(request),
            Err(error) => ports.table.failed(request, error.to_string()),
        }
        let bound = bound.map(|bound| {
            if let Some(listener) = Listener::start(bound, request, opener) {
                ports.listeners.insert(request.clone(), listener);
            }
            None
        });
        drop(ports);
        self.changed.send_modify(|count| *count += 1);
        bound
    }
}

impl Listener {
    fn start(bound: Bound, request: &PortRequest, opener: &Opener) -> Option<Self> {
        let container = SocketAddr::new(request.container_ip, request.container_port);
        let opener = opener.clone();
        match bound {
            Bound::Tcp(listener) => {
                let slot = Slot::new(listener);
                let task = tokio::spawn(tcp::serve(slot.clone(), container, opener));
                let close = Box::new(move || slot.close());
                Some(Self { close, task })
            }
            Bound::Udp(socket) => {
                let slot = Slot::new(socket);
                let task = tokio::spawn(udp::serve(slot.clone(), container, opener, udp::IDLE));
                let close = Box::new(move || slot.close());
                Some(Self { close, task })
            }
            Bound::Nothing => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        (self.close)();
        self.task.abort();
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        let mut ports = self.shared.lock();
        let unwanted = ports.table.release(self.source);
        for request in &unwanted {
            ports.listeners.remove(request);
        }
        drop(ports);
        if !unwanted.is_empty() {
            self.shared.changed.send_modify(|count| *count += 1);
        }
    }
}
