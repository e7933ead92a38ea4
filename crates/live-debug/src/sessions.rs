//! The sessions there are.

mod life;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coracle_guest_api::debug::{DebugProcess, DebugTarget, Runtime};
use coracle_guest_api::mux::{Guests, Opener, TransportEnded};
use coracle_guest_api::{StreamHeader, message};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::container::{self, Container};
use crate::editor;
use crate::engine::Engine;
use crate::error::DebugError;
use crate::sources::{self, PathMap};

/// What to debug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// A container's name or id, or a service of compose or swarm.
    pub target: String,
    /// The process as the container counts; none for the one that does its work.
    pub process: Option<u32>,
}

/// A session as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its number.
    pub id: u64,
    /// What was asked for.
    pub target: String,
    /// The container's name.
    pub container: String,
    /// The process, as it was when the session began.
    pub process: DebugProcess,
    /// Where debuggers connect to.
    pub address: SocketAddr,
    /// Where the sources are.
    pub paths: Vec<PathMap>,
}

impl Session {
    /// What an editor needs to connect, as an entry of VS Code's `launch.json`.
    pub fn configuration(&self) -> serde_json::Value {
        editor::configuration(self)
    }
}

/// All sessions of one VM. Clones are the same sessions.
#[derive(Clone, Default)]
pub struct Sessions {
    shared: Arc<Shared>,
    guests: Guests,
}

#[derive(Default)]
struct Shared {
    all: Mutex<All>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct All {
    last: u64,
    sessions: BTreeMap<u64, Entry>,
}

struct Entry {
    session: Session,
    wish: Wish,
    current: Arc<Mutex<Container>>,
    guests: Guests,
    _listener: AbortOnDropHandle<()>,
    _life: AbortOnDropHandle<()>,
}

impl Sessions {
    /// Makes the process ready and listens for debuggers of it. The same wish again has the same
    /// session, which the second value tells. The container is followed by `background`.
    pub async fn open(
        &self,
        wish: Wish,
        engine: &dyn Engine,
        background: Arc<dyn Engine>,
    ) -> Result<(Session, bool), DebugError> {
        let container = container::find(engine, &wish.target).await?;
        let guest = self.guests.present().ok_or_else(DebugError::no_guest)?;
        let process = prepare(&container, wish.process, &guest).await?;
        if let Some(known) = self.known(&container, &process) {
            return Ok((known, true));
        }
        let listener = bind(preferred(process.runtime)).await?;
        let address = listener
            .local_addr()
            .map_err(|error| DebugError::host(format!("the debug port has no address: {error}")))?;
        let current = Arc::new(Mutex::new(container.clone()));
        let mut all = self.shared.lock();
        all.last += 1;
        let id = all.last;
        let session = Session {
            id,
            target: wish.target.clone(),
            container: container.name.clone(),
            paths: sources::map(&container),
            process,
            address,
        };
        let serve = life::serve(
            listener,
            session.process.runtime,
            wish.process,
            current.clone(),
            self.guests.clone(),
        );
        let follow = life::follow(self.clone(), id, wish.clone(), current.clone(), background);
        let entry = Entry {
            session: session.clone(),
            wish,
            current,
            guests: self.guests.clone(),
            _listener: AbortOnDropHandle::new(tokio::spawn(serve)),
            _life: AbortOnDropHandle::new(tokio::spawn(follow)),
        };
        all.sessions.insert(id, entry);
        drop(all);
        self.shared.tell();
        tracing::info!(id, container = session.container, %address, "a debug session began");
        Ok((session, false))
    }

    /// None yet, in the guest of the moment.
    pub fn new(guests: Guests) -> Self {
        Self {
            shared: Arc::default(),
            guests,
        }
    }

    /// Changes with the list.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// All, the oldest first.
    pub fn list(&self) -> Vec<Session> {
        let all = self.shared.lock();
        all.sessions
            .values()
            .map(|entry| entry.session.clone())
            .collect()
    }

    /// Ends the sessions of that number, container or service; returns them. Their debuggers are cut off.
    pub async fn stop(&self, which: &str) -> Vec<Session> {
        let number = which.parse::<u64>().ok();
        let is_meant = |session: &Session| {
            Some(session.id) == number || session.target == which || session.container == which
        };
        let entries: Vec<_> = {
            let mut all = self.shared.lock();
            let ids: Vec<_> = all
                .sessions
                .values()
                .filter(|entry| is_meant(&entry.session))
                .map(|entry| entry.session.id)
                .collect();
            ids.iter()
                .filter_map(|id| all.sessions.remove(id))
                .collect()
        };
        if !entries.is_empty() {
            self.shared.tell();
        }
        let mut ended = Vec::new();
        for entry in entries {
            ended.push(entry.end().await);
        }
        ended
    }

    /// Ends all: their VM will not be back.
    pub fn clear(&self) {
        self.shared.lock().sessions.clear();
        self.shared.tell();
    }

    fn known(&self, container: &Container, process: &DebugProcess) -> Option<Session> {
        let all = self.shared.lock();
        let same = |entry: &&Entry| {
            let current = lock(&entry.current);
            current.id == container.id
                && (entry.session.process.pid == process.pid || entry.wish.process.is_none())
                && entry.session.process.runtime == process.runtime
        };
        all.sessions
            .values()
            .find(same)
            .map(|entry| entry.session.clone())
    }

    /// Forgets a session whose container has gone.
    fn forget(&self, id: u64) -> bool {
        let there = self.shared.lock().sessions.remove(&id).is_some();
        self.shared.tell();
        there
    }
}

impl Entry {
    /// Cuts the debuggers off, then lets the process close what was opened for them.
    async fn end(self) -> Session {
        let Self {
            session,
            wish,
            current,
            guests,
            _listener: listener,
            _life: life,
        } = self;
        drop((listener, life));
        let target = target(&lock(&current), wish.process);
        let ended = match guests.present() {
            Some(guest) => guest.open(&StreamHeader::DebugEnd(target)).await,
            None => Err(TransportEnded.into()),
        };
        if let Err(error) = ended {
            tracing::info!(%error, "the guest did not end the debugging of a process");
        }
        tracing::info!(
            id = session.id,
            container = session.container,
            "a debug session ended"
        );
        session
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

fn lock(container: &Mutex<Container>) -> MutexGuard<'_, Container> {
    container.lock().unwrap_or_else(PoisonError::into_inner)
}

fn target(container: &Container, process: Option<u32>) -> DebugTarget {
    DebugTarget {
        container: container.id.clone(),
        init: container.init,
        process,
    }
}

async fn prepare(
    container: &Container,
    process: Option<u32>,
    guest: &Opener,
) -> Result<DebugProcess, DebugError> {
    let header = StreamHeader::DebugPrepare(target(container, process));
    let (mut stream, _) = guest.open(&header).await?;
    message::expect(&mut stream)
        .await
        .map_err(|error| DebugError::failed(format!("the guest did not answer: {error}")))
}

/// The port that debuggers of the runtime look at by themselves.
fn preferred(runtime: Runtime) -> u16 {
    match runtime {
        Runtime::Native => 2345,
        Runtime::Node => 9229,
        Runtime::Python => 5678,
    }
}

/// On the loopback device only; any port when the preferred one is taken.
async fn bind(preferred: u16) -> Result<TcpListener, DebugError> {
    if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, preferred)).await {
        return Ok(listener);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(|error| DebugError::host(format!("the host gave no debug port: {error}")))
}

#[cfg(test)]
mod tests;
