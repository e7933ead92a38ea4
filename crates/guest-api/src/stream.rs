//! How a stream begins.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::debug::{DebugTarget, SessionToken};
use crate::exec::ExecRequest;
use crate::port::PortRequest;
use crate::preamble::NONCE;
use crate::resolve::Lookup;
use crate::status::AgentStatus;

/// First message on a stream, from the end that opened it. Says what the stream is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stream")]
pub enum StreamHeader {
    /// Host to guest. Bytes to and from the engine's socket, half-close kept.
    /// [`AgentErrorCode::EngineDown`] while the engine does not accept.
    Engine,
    /// Host to guest. Bytes to and from a TCP connection that the agent dials.
    DialTcp {
        /// Where to; usually a container's address.
        address: SocketAddr,
    },
    /// Host to guest. Frames of [`crate::datagram`] to and from a UDP socket connected to the address.
    DialUdp {
        /// Where to.
        address: SocketAddr,
    },
    /// Host to guest. A process in the guest; frames of [`crate::exec`] follow.
    Exec(ExecRequest),
    /// Host to guest. Text of a log; ends after the last line unless `follow`.
    Log {
        /// Whose lines.
        source: GuestLog,
        /// Whether to stay and send new lines.
        follow: bool,
    },
    /// Host to guest. [`StreamReply::Ok`] carries an [`AgentStatus`] and the stream ends.
    Status,
    /// Host to guest. Messages of [`crate::status::AgentEvent`] follow, from guest to host.
    Events,
    /// Host to guest. The guest's clock, asked and set for as long as the stream is open: to each step
    /// from the host (i64, nanoseconds, big endian; 0 only asks) the guest answers with its time after
    /// it (u64, nanoseconds since the Unix epoch).
    Clock,
    /// Host to guest. Changes of the shared folders; batches of [`crate::file_events`] follow from
    /// the host, and one acknowledgement of each from the guest, in the same order.
    FileEvents,
    /// Host to guest. The VM's memory is about to be saved: the agent writes everything to the
    /// data disk and replies. Then the host sends one byte, upon which the agent leaves the multiplexer and
    /// announces itself anew by [`preamble::accept_again`](crate::preamble::accept_again); a stream
    /// that ends without the byte takes the order back.
    Suspend {
        /// Marks the next preamble.
        token: [u8; NONCE],
    },
    /// Host to guest. A snapshot of the VM is about to be taken, which goes on meanwhile: the agent writes
    /// everything to the data disk and replies. Until the stream ends it can be called back by
    /// [`preamble::recall`](crate::preamble::recall) with the token, which happens only to who comes from the snapshot.
    Snapshot {
        /// Tells this snapshot from others.
        token: [u8; NONCE],
    },
    /// Host to guest. Has the guest give back what it can do without: it drops what it can read again,
    /// puts its free memory together and tells the data disk which blocks are free. The reply comes when that
    /// is done; the free memory is told to the hypervisor in the seconds after it.
    Reclaim,
    /// Host to guest. Stops the engine in order, syncs, unmounts; the reply comes
    /// first, the end of the VM is the sign that it is done.
    Shutdown,
    /// Host to guest. Makes a process ready for a debugger, which it goes on without. One
    /// [`DebugProcess`](crate::debug::DebugProcess) message follows the reply, and the stream ends.
    DebugPrepare(DebugTarget),
    /// Host to guest. The same, then bytes to and from what debugs it, as a [`crate::resumable`] stream; native
    /// code is stopped when the reply comes, and goes on when they end.
    Debug {
        /// Which process.
        target: DebugTarget,
        /// What [`DebugAgain`](Self::DebugAgain) will call the session.
        session: SessionToken,
    },
    /// Host to guest. The session goes on that was on another transport before: its stream ended with that.
    /// [`AgentErrorCode::NoProcess`] when it is over.
    DebugAgain {
        /// What it was called when it began.
        session: SessionToken,
    },
    /// Host to guest. Undoes what was made ready; ends after the reply.
    DebugEnd(DebugTarget),
    /// Guest to host. A published port: held for as long as the stream is open. The reply
    /// says whether the host listens; `Err` carries the sentence for `docker run`.
    Port(PortRequest),
    /// Guest to host. One [`Resolution`](crate::resolve::Resolution) message follows the reply,
    /// and the stream ends.
    Resolve {
        /// What to look up.
        lookup: Lookup,
    },
}

impl StreamHeader {
    /// Whether somebody uses the guest for as long as the stream is open, also when nothing is said.
    pub fn is_use(&self) -> bool {
        matches!(
            self,
            Self::Engine
                | Self::DialTcp { .. }
                | Self::DialUdp { .. }
                | Self::Exec(_)
                | Self::Debug { .. }
                | Self::DebugAgain { .. }
        )
    }
}

/// A log that the agent keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestLog {
    /// dockerd's.
    Engine,
    /// containerd's.
    Containerd,
    /// The agent's own.
    Agent,
}

/// Second message on a stream, from the end that accepted it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reply")]
pub enum StreamReply {
    /// Go on.
    Ok {
        /// For [`StreamHeader::Status`] only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<Box<AgentStatus>>,
    },
    /// Refused; the stream ends.
    Err(AgentError),
}

impl StreamReply {
    /// A plain yes.
    pub const OK: Self = Self::Ok { status: None };
}

/// Why a stream was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct AgentError {
    /// Stable code.
    pub code: AgentErrorCode,
    /// One sentence.
    pub message: String,
}

impl AgentError {
    /// An error of `code` with a sentence.
    pub fn new(code: AgentErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// Stable codes of [`AgentError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentErrorCode {
    /// The engine does not accept connections now.
    EngineDown,
    /// The dialled address refused or could not be reached.
    Unreachable,
    /// The port is taken on the other side.
    AddressInUse,
    /// The other side may not bind it (a privileged port).
    PermissionDenied,
    /// The process is not there, or not as it was asked for.
    NoProcess,
    /// The header cannot be served by this end.
    Unsupported,
    /// Anything else.
    Internal,
}
