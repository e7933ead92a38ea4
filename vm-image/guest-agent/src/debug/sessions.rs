//! Sessions, which outlive the transport that they began on.
//!
//! Before a suspension, and on the way back to a snapshot, the agent leaves the transport, and all streams end. What
//! debugs a process must not notice: the debugger is still there, and opens another stream when the VM goes on.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coracle_guest_api::debug::SessionToken;
use coracle_guest_api::mux::{MuxStream, Opener};
use coracle_guest_api::resumable::{Carried, Resumable, Violation};
use coracle_guest_api::{StreamReply, message};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a session waits for its debugger once the guest is awake. After a restored snapshot, or when the
/// daemon ended meanwhile, none comes, and the process must not be held for ever.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// A stream of a debugger, with the transport that it came on; `None` if that has ended already.
pub(crate) struct Line {
    pub(crate) stream: MuxStream,
    pub(crate) transport: Option<Opener>,
}

/// The sessions that there are.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<SessionToken, mpsc::Sender<Line>>>);

/// A session for as long as it goes on.
struct Entry<'a> {
    sessions: &'a Sessions,
    token: SessionToken,
    lines: mpsc::Receiver<Line>,
}

impl Sessions {
    /// Joins the debugger with what debugs the process, until either has left for good.
    pub(crate) async fn join(
        &self,
        token: SessionToken,
        mut line: Line,
        debugged: impl AsyncRead + AsyncWrite + Unpin,
    ) -> Result<(), Violation> {
        let mut entry = self.enter(token);
        let mut session = Resumable::new(debugged);
        while session.carry(line.stream).await? == Carried::Broken {
            if let Some(transport) = line.transport
                && !transport.took_its_streams().await
            {
                return Ok(());
            }
            tracing::info!("a debugger is away with the transport");
            match timeout(BACK_WITHIN, entry.lines.recv()).await {
                Ok(Some(next)) => line = next,
                _ => {
                    tracing::info!("a debugger has not come back: its session ends");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The session goes on over this stream, whose debugger is told so; the stream is given back if it is over.
    pub(crate) async fn go_on(&self, token: SessionToken, mut line: Line) -> Result<(), MuxStream> {
        let Some(session) = self.lock().get(&token).cloned() else {
            return Err(line.stream);
        };
        let Ok(session) = session.reserve().await else {
            return Err(line.stream);
        };
        // If that does not reach it the stream is broken, which the session sees by itself.
        let _ = message::write(&mut line.stream, &StreamReply::OK).await;
        session.send(line);
        Ok(())
    }

    fn enter(&self, token: SessionToken) -> Entry<'_> {
        let (sender, lines) = mpsc::channel(1);
        self.lock().insert(token, sender);
        Entry {
            sessions: self,
            token,
            lines,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionToken, mpsc::Sender<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests;
