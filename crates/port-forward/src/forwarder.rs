//! The owner of the table and its listeners.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coracle_guest_api::mux::{Guests, MuxStream, Opener};
use coracle_guest_api::port::PortRequest;
use coracle_guest_api::{AgentError, AgentErrorCode};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::bind::{self, Bound};
use crate::placing::Placed;
use crate::slot::Slot;
use crate::table::{PortEntry, Source, Table, Wish};
use crate::{lease, swarm, tcp, udp};

/// How long a port may be held by a container that is just stopping.
const HANDOVER: Duration = Duration::from_secs(2);

/// The published ports of one VM. Clones are the same forwarder.
#[derive(Clone)]
pub struct Forwarder {
    shared: Arc<Shared>,
}

struct Shared {
    ports: Mutex<Ports>,
    /// Where connections go.
    guests: Guests,
    /// The ports of a guest that is away.
    kept: Mutex<Option<Granted>>,
    next_source: AtomicU64,
    /// The address for ports that name none; none for all.
    publish_on: watch::Receiver<Option<IpAddr>>,
    /// Leases that go elsewhere than they ask.
    placed: watch::Sender<Placed>,
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

/// Someone's wish for a port, granted or not yet; dropped, the port is released.
pub(crate) struct Granted {
    shared: Arc<Shared>,
    source: Source,
}

impl Forwarder {
    /// A forwarder without ports. Connections go to the guest of the moment. Ports of services, which name no
    /// address of the host, are served on `publish_on`, or on all where that is `None`.
    pub fn new(guests: Guests, publish_on: watch::Receiver<Option<IpAddr>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                ports: Mutex::default(),
                guests,
                kept: Mutex::default(),
                next_source: AtomicU64::new(1),
                publish_on,
                placed: watch::Sender::default(),
                changed: watch::Sender::new(0),
                cleared: watch::Sender::new(0),
            }),
        }
    }

    /// Serves one lease: binds, answers on the stream with one
    /// [`StreamReply`](coracle_guest_api::StreamReply) (whose error is the failure of
    /// `docker run`), holds until the stream ends, then unbinds.
    ///
    /// The header of `stream` has been read.
    pub async fn lease(&self, request: PortRequest, stream: MuxStream) {
        lease::serve(self, request, stream).await;
    }

    /// The guest goes away and will be back: until [`let_go`](Self::let_go) the ports stay as they are. What
    /// connects to them waits.
    pub fn keep(&self) {
        let kept = self.wish();
        self.shared.lock().table.share_all(kept.source);
        // What was kept before goes, outside the lock.
        drop(self.shared.kept().replace(kept));
    }

    /// The guest is back and has asked for its ports: those it did not ask for are closed.
    pub fn let_go(&self) {
        let kept = self.shared.kept().take();
        drop(kept);
    }

    /// Listens for the ingress ports of swarm services for as long as the engine is up; dropped,
    /// all of them are released. A port that the host cannot give is in [`ports`](Self::ports)
    /// with its error, and is tried again until it can.
    ///
    /// The engine is asked by `opener`; returns when that has ended.
    pub async fn follow_services(&self, opener: Opener) {
        swarm::follow(self, opener).await;
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
        self.let_go();
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

    pub(crate) fn publish_on(&self) -> watch::Receiver<Option<IpAddr>> {
        self.shared.publish_on.clone()
    }

    /// From now on leases go there.
    pub(crate) fn place(&self, placed: Placed) {
        self.shared.placed.send_if_modified(|now| {
            let changed = *now != placed;
            *now = placed;
            changed
        });
    }

    /// Changes when leases go elsewhere.
    pub(crate) fn placed(&self) -> watch::Receiver<Placed> {
        self.shared.placed.subscribe()
    }

    /// Listens as `request` says, or shares the listener of the same request.
    pub(crate) async fn grant(&self, request: &PortRequest) -> Result<Granted, AgentError> {
        // Made first: also a wish that fails or is abandoned is released.
        let granted = self.wish();
        let source = granted.source;
        let mut changed = self.changed();
        let deadline = Instant::now() + HANDOVER;
        loop {
            changed.mark_unchanged();
            let wish = self.shared.wish(source, request);
            let other = match wish {
                Ok(None) => return Ok(granted),
                Ok(Some(other)) => other,
                Err(error) => return Err(explain(request, error).await),
            };
            if timeout_at(deadline, changed.changed()).await.is_err() {
                return Err(taken(request, &other));
            }
        }
    }

    /// A wish for nothing yet.
    pub(crate) fn wish(&self) -> Granted {
        Granted {
            shared: self.shared.clone(),
            source: Source(self.shared.next_source.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Tries to grant a wish; whether it is granted. If not, the wish is in the table with the
    /// reason, which begins with `about`, for as long as it is held.
    pub(crate) async fn attempt(&self, wish: &Granted, request: &PortRequest, about: &str) -> bool {
        let why = match self.shared.wish(wish.source, request) {
            Ok(None) => return true,
            Ok(Some(other)) => taken(request, &other),
            Err(error) => explain(request, error).await,
        };
        let mut ports = self.shared.lock();
        let changed = ports
            .table
            .refuse(wish.source, request, format!("{about}: {why}"));
        drop(ports);
        if changed {
            self.shared.changed.send_modify(|count| *count += 1);
        }
        false
    }
}

/// Why the host does not listen.
async fn explain(request: &PortRequest, error: std::io::Error) -> AgentError {
    let request = request.clone();
    let explained = tokio::task::spawn_blocking(move || bind::explain(&request, &error)).await;
    explained.unwrap_or_else(|error| AgentError::new(AgentErrorCode::Internal, error.to_string()))
}

/// Why two wishes do not go together.
fn taken(request: &PortRequest, other: &PortRequest) -> AgentError {
    let owner = match other.container_ip.is_loopback() {
        true => "a swarm service".to_owned(),
        false => format!("the container at {}", other.container_ip),
    };
    AgentError::new(
        AgentErrorCode::AddressInUse,
        format!(
            "port {} on {} is already in use on the host; {owner} has published it: stop that, \
             or publish another port",
            request.host_port, request.host_ip
        ),
    )
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Granted>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a wish and fulfils it; returns the request that is in its way, if any.
    fn wish(&self, source: Source, request: &PortRequest) -> std::io::Result<Option<PortRequest>> {
        let mut ports = self.lock();
        match ports.table.want(source, request) {
            Wish::Taken(other) => return Ok(Some(other)),
            Wish::Shared => {
                drop(ports);
                self.changed.send_modify(|count| *count += 1);
                return Ok(None);
            }
            Wish::Bind => {}
        }
        // Who wished it says why, or gives the wish up.
        let bound = bind::bind(request)?;
        ports.table.bound(request);
        if let Some(listener) = Listener::start(bound, request, self.guests.clone()) {
            ports.listeners.insert(request.clone(), listener);
        }
        drop(ports);
        self.changed.send_modify(|count| *count += 1);
        Ok(None)
    }
}

impl Listener {
    fn start(bound: Bound, request: &PortRequest, guests: Guests) -> Option<Self> {
        let container = SocketAddr::new(request.container_ip, request.container_port);
        match bound {
            Bound::Tcp(listener) => {
                let slot = Slot::new(listener);
                let task = tokio::spawn(tcp::serve(slot.clone(), container, guests));
                let close = Box::new(move || slot.close());
                Some(Self { close, task })
            }
            Bound::Udp(socket) => {
                let slot = Slot::new(socket);
                let task = tokio::spawn(udp::serve(slot.clone(), container, guests, udp::IDLE));
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
