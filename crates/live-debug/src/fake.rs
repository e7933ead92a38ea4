//! A guest without a VM, whose every process says again what it hears.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use coracle_guest_api::debug::{DebugProcess, Runtime, SessionToken};
use coracle_guest_api::mux::{self, End, Incoming, MuxStream, Opener};
use coracle_guest_api::resumable::{Carried, Resumable};
use coracle_guest_api::{AgentError, AgentErrorCode, StreamHeader, StreamReply, message};
use tokio::io::{AsyncWriteExt, duplex, split};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// What it keeps while it is suspended.
#[derive(Clone, Default)]
pub(crate) struct FakeGuest {
    sessions: Arc<Mutex<HashMap<SessionToken, mpsc::Sender<MuxStream>>>>,
}

/// A guest that is awake; suspended when dropped.
pub(crate) struct Awake {
    pub(crate) opener: Opener,
    _daemon: Incoming,
    _agent: AbortOnDropHandle<()>,
}

impl FakeGuest {
    /// From now on it serves its end of a new transport.
    pub(crate) fn wake(&self) -> Awake {
        let (near, far) = duplex(1 << 16);
        let (opener, daemon) = mux::start(near, End::Host);
        let (_, mut incoming) = mux::start(far, End::Guest);
        let guest = self.clone();
        let agent = tokio::spawn(async move {
            while let Some(stream) = incoming.accept().await {
                tokio::spawn(guest.clone().serve(stream));
            }
        });
        Awake {
            opener,
            _daemon: daemon,
            _agent: AbortOnDropHandle::new(agent),
        }
    }

    /// It forgets its sessions, as one that was booted anew.
    pub(crate) fn forget(&self) {
        self.sessions.lock().unwrap().clear();
    }

    async fn serve(self, mut stream: MuxStream) {
        match message::expect(&mut stream).await.unwrap() {
            StreamHeader::DebugPrepare(_) => {
                answer(&mut stream, StreamReply::OK).await;
                message::write(&mut stream, &process()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
            StreamHeader::Debug { session, .. } => {
                answer(&mut stream, StreamReply::OK).await;
                let (sender, lines) = mpsc::channel(1);
                self.sessions.lock().unwrap().insert(session, sender);
                echo(stream, lines).await;
            }
            StreamHeader::DebugAgain { session } => {
                let known = self.sessions.lock().unwrap().get(&session).cloned();
                let Some(known) = known else {
                    let over = AgentError::new(AgentErrorCode::NoProcess, "it is over");
                    return answer(&mut stream, StreamReply::Err(over)).await;
                };
                answer(&mut stream, StreamReply::OK).await;
                known.send(stream).await.unwrap();
            }
            _ => answer(&mut stream, StreamReply::OK).await,
        }
    }
}

async fn answer(stream: &mut MuxStream, reply: StreamReply) {
    message::write(stream, &reply).await.unwrap();
}

/// Until the debugger has gone, or nobody can come back any more.
async fn echo(stream: MuxStream, mut lines: mpsc::Receiver<MuxStream>) {
    let (carried, process) = duplex(64);
    tokio::spawn(async move {
        let (mut from, mut to) = split(process);
        let _ = tokio::io::copy(&mut from, &mut to).await;
        let _ = to.shutdown().await;
    });
    let mut session = Resumable::new(carried);
    let mut next = Some(stream);
    while let Some(stream) = next {
        if session.carry(stream).await.unwrap() == Carried::Over {
            return;
        }
        next = lines.recv().await;
    }
}

fn process() -> DebugProcess {
    DebugProcess {
        pid: 1,
        runtime: Runtime::Native,
        program: "/bin/echo".into(),
        folder: "/".into(),
        command: vec!["echo".into()],
        note: None,
    }
}
