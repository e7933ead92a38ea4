//! The conversation with one guest agent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_guest_api::mux::{self, End, Incoming, MuxStream, Opener};
use coracle_guest_api::preamble::{self, PreambleError};
use coracle_guest_api::stream::GuestLog;
use coracle_guest_api::{
    AgentError, AgentErrorCode, Hello, HelloReply, PROTOCOL_VERSION, StreamHeader, StreamReply,
    message,
};
use coracle_port_forward::Forwarder;
use coracle_vm_driver::{ByteStream, Vm};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::HostClock;
use crate::event::{Reporter, RunEvent};
use crate::idle::{Idle, Sleeper};
use crate::lent::{self, Loan};
use crate::log::{self, RotatingLog};
use crate::memory::{Greeting, Token};
use crate::resolve;
use crate::task::Task;

/// From the opening of a stream by the guest to its header.
const HEADER: Duration = Duration::from_secs(10);

/// Waits for the agent and agrees with it. Unbounded: the guest boots meanwhile. With a greeting the
/// agent is there already, since before a suspension or a snapshot.
pub(crate) async fn hello(
    mut transport: Box<dyn ByteStream>,
    secret: String,
    greeting: Option<Greeting>,
    clock: HostClock,
) -> Result<(HelloReply, Box<dyn ByteStream>), ApiError> {
    let failed = |message: String| ApiError::new(ErrorCode::VmFailed, message);
    let hello = Hello {
        protocol: PROTOCOL_VERSION,
        secret,
        unix_ns: clock.unix_ns(),
        daemon_version: env!("CARGO_PKG_VERSION").into(),
    };
    let reply = match greeting {
        Some(Greeting { token, recall }) if recall => {
            preamble::call_back(&mut transport, token, &hello).await
        }
        Some(Greeting { token, .. }) => preamble::reconnect(&mut transport, token, &hello).await,
        None => preamble::connect(&mut transport, rand::random(), &hello).await,
    };
    let reply = reply.map_err(|error: PreambleError| {
        failed(format!(
            "the guest agent did not say hello ({error}): see `coracle logs vm`"
        ))
    })?;
    if reply.protocol != PROTOCOL_VERSION {
        return Err(failed(format!(
            "the VM image has version {} of the protocol and this daemon {PROTOCOL_VERSION}: \
             make the image anew with `cargo xtask image`",
            reply.protocol
        )));
    }
    Ok((reply, transport))
}

/// A guest agent that has said hello. Ends the conversation when dropped.
pub(crate) struct Session {
    /// Tells its events from those of the ones before.
    pub(crate) id: u64,
    opener: Opener,
    loan: Loan,
    behind: Arc<Notify>,
    /// Puts an unused VM to sleep.
    sleeper: Option<Task>,
    _tasks: [Task; 5],
}

/// Why the agent has not left the transport.
pub(crate) enum NotLeft {
    /// It stays, as if nothing had been asked of it.
    Stays(Session, ApiError),
    /// It does not answer any more.
    Lost(ApiError),
}

/// From the order to leave to the agent's announcement.
const LEAVES: Duration = Duration::from_secs(10);

impl Session {
    /// Begins to listen to the agent, to lease ports to it and to collect the engine's log.
    pub(crate) fn start(
        id: u64,
        transport: Box<dyn ByteStream>,
        forwarder: Forwarder,
        engine_log: PathBuf,
        clock: HostClock,
        reporter: Reporter,
    ) -> Self {
        let (lent, loan) = lent::lend(transport);
        let (opener, incoming) = mux::start(lent, End::Host);
        let background = opener.in_background();
        let behind = Arc::new(Notify::new());
        Self {
            id,
            behind: behind.clone(),
            sleeper: None,
            _tasks: [
                Task::spawn(report_end(id, opener.clone(), reporter.clone())),
                Task::spawn(report_events(id, background.clone(), reporter)),
                Task::spawn(serve(incoming, forwarder)),
                Task::spawn(collect_engine_log(background.clone(), engine_log)),
                Task::spawn(clock.keep(background, behind)),
            ],
            opener,
            loan,
        }
    }

    /// Has the agent write everything to its disks, within `bound`, and leave the transport, which
    /// is given back. It waits then for the preamble with this token.
    pub(crate) async fn leave(
        self,
        token: Token,
        bound: Duration,
    ) -> Result<Box<dyn ByteStream>, NotLeft> {
        self.loan.end_at(preamble::announcement(&token));
        let order = StreamHeader::Suspend { token };
        let mut stream = match timeout(bound, self.opener.open(&order)).await {
            Ok(Ok((stream, _))) => stream,
            Ok(Err(error)) => {
                let why = format!("the guest cannot be suspended: {error}");
                return Err(NotLeft::Stays(
                    self,
                    ApiError::new(ErrorCode::VmFailed, why),
                ));
            }
            Err(_) => {
                let why = format!(
                    "the guest has not written everything to its disk within {} s: try again, or \
                     use `coracle stop --shutdown`",
                    bound.as_secs()
                );
                return Err(NotLeft::Stays(
                    self,
                    ApiError::new(ErrorCode::VmFailed, why),
                ));
            }
        };
        let left = async {
            stream.write_u8(1).await.ok()?;
            stream.flush().await.ok()?;
            self.loan.back().await
        };
        timeout(LEAVES, left).await.ok().flatten().ok_or_else(|| {
            let why = "the guest agent was lost while the VM was being suspended";
            NotLeft::Lost(ApiError::new(ErrorCode::VmFailed, why))
        })
    }

    /// The guest has stood still: its clock is set right at once.
    pub(crate) fn clock_is_behind(&self) {
        self.behind.notify_one();
    }

    /// From now on the VM sleeps while its engine answers and nobody uses it.
    pub(crate) fn may_sleep(
        &mut self,
        vm: Arc<dyn Vm>,
        idle: watch::Receiver<Idle>,
        reporter: Reporter,
    ) {
        let (opener, behind) = (self.opener.clone(), self.behind.clone());
        self.sleeper.get_or_insert_with(|| {
            let sleeper = Sleeper {
                vm,
                opener,
                behind,
                idle,
                reporter,
                told: None,
            };
            sleeper.spawn()
        });
    }

    /// There is something to do for it.
    pub(crate) fn wake(&self) {
        self.opener.activity().wake();
    }

    pub(crate) fn opener(&self) -> &Opener {
        &self.opener
    }
}

async fn report_end(id: u64, opener: Opener, reporter: Reporter) {
    opener.ended().await;
    reporter.send(RunEvent::TransportEnded(id)).await;
}

/// The agent's events matter as much as the transport: without them nobody would know.
async fn report_events(id: u64, opener: Opener, reporter: Reporter) {
    if let Ok((mut stream, _)) = opener.open(&StreamHeader::Events).await {
        while let Ok(Some(event)) = message::read(&mut stream).await {
            reporter.send(RunEvent::Agent(event)).await;
        }
    }
    reporter.send(RunEvent::TransportEnded(id)).await;
}

/// Serves what the guest opens. A lease lives no longer than this.
async fn serve(mut incoming: Incoming, forwarder: Forwarder) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            stream = incoming.accept() => match stream {
                Some(stream) => {
                    streams.spawn(serve_one(stream, forwarder.clone()));
                }
                None => return,
            },
            Some(ended) = streams.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a stream of the guest ended by a defect");
                }
            }
        }
    }
}

async fn serve_one(mut stream: MuxStream, forwarder: Forwarder) {
    match timeout(HEADER, message::expect(&mut stream)).await {
        Ok(Ok(StreamHeader::Port(request))) => forwarder.lease(request, stream).await,
        Ok(Ok(StreamHeader::Resolve { lookup })) => resolve::serve(lookup, stream).await,
        Ok(Ok(_)) => {
            let error = AgentError::new(
                AgentErrorCode::Unsupported,
                "the host serves ports and names to the guest and nothing else",
            );
            // The guest may have gone; the stream ends here in any case.
            let _ = message::write(&mut stream, &StreamReply::Err(error)).await;
        }
        Ok(Err(error)) => tracing::warn!(%error, "the guest opened a stream without a header"),
        Err(_) => tracing::warn!("the guest opened a stream and said nothing"),
    }
}

/// Until the guest ends: the log is not worth more than a warning.
async fn collect_engine_log(opener: Opener, path: PathBuf) {
    let header = StreamHeader::Log {
        source: GuestLog::Engine,
        follow: true,
    };
    let mut stream = match opener.open(&header).await {
        Ok((stream, _)) => stream,
        Err(error) => return tracing::warn!(%error, "the agent gives no engine log"),
    };
    let mut log = match RotatingLog::open(path, log::LIMIT) {
        Ok(log) => log,
        Err(error) => return tracing::warn!(%error, "cannot open the engine's log"),
    };
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if let Err(error) = log.write(&buffer[..length]) {
            return tracing::warn!(%error, "cannot write the engine's log");
        }
    }
}
