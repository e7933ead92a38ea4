//! Plays the guest: an agent and a tiny engine.

use std::convert::Infallible;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use coracle_guest_api::boot::BootConfig;
use coracle_guest_api::debug::{DebugProcess, Runtime};
use coracle_guest_api::exec::{self, ExecFrame};
use coracle_guest_api::mux::{self, End, MuxStream, Opener};
use coracle_guest_api::status::{AgentEvent, AgentStatus, EngineState};
use coracle_guest_api::{
    AgentError, AgentErrorCode, HelloReply, PROTOCOL_VERSION, StreamHeader, StreamReply, message,
    preamble,
};
use coracle_vm_driver::fake::FakeGuest;
use coracle_vm_driver::{ExitReason, VmConfig, VmEvent};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

/// What the engine calls itself.
pub(crate) const ENGINE: &str = "26.1.5";

/// What the engine tells of any container.
const CONTAINER: &str = r#"{"Id": "c0ffee", "Name": "/web", "Config": {"WorkingDir": "/", "Labels": {}},
    "State": {"Running": true, "Status": "running", "Pid": 7}}"#;

/// How the guest behaves.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) protocol: u32,
    /// Whether an order to shut down is carried out.
    pub(crate) obeys: bool,
    /// Why it does not give back what it can do without.
    pub(crate) keeps: Option<&'static str>,
    /// The engine's state from the beginning.
    pub(crate) engine: EngineState,
    /// What its engine says of any configuration that it is shown, and of that it was started with.
    pub(crate) refuses: Option<&'static str>,
    /// What goes over its network from one status to the next, in bytes.
    pub(crate) chatter: u64,
    /// What the engine says of its containers, as JSON.
    pub(crate) containers: &'static str,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            protocol: PROTOCOL_VERSION,
            obeys: true,
            keeps: None,
            engine: EngineState::Ready,
            refuses: None,
            chatter: 0,
            containers: "[]",
        }
    }
}

/// A guest that is up. Its end is the end of the transport, as with a real VM.
pub(crate) struct Guest {
    pub(crate) config: VmConfig,
    pub(crate) boot: BootConfig,
    agent: Arc<Agent>,
    opener: watch::Receiver<Option<Opener>>,
    task: JoinHandle<()>,
}

struct Agent {
    script: Script,
    boot: BootConfig,
    driver: mpsc::Sender<VmEvent>,
    events: broadcast::Sender<AgentEvent>,
    shutdowns: watch::Sender<usize>,
    /// The token of a suspension that was ordered.
    suspended: watch::Sender<Option<Token>>,
    /// The token of the last snapshot.
    snapshot: watch::Sender<Option<Token>>,
    /// The time that it was told last.
    told_ns: watch::Sender<u64>,
    network_bytes: AtomicU64,
}

/// Marks the preamble after a suspension.
pub(crate) type Token = [u8; preamble::NONCE];

impl Guest {
    pub(crate) fn play(fake: FakeGuest, script: Script) -> Self {
        assert!(!fake.resumed, "it comes from saved memory");
        Self::live(fake, script, None)
    }

    /// A guest that goes on where [`snapshot`](Self::snapshot) was taken, and must be called back.
    pub(crate) fn go_back(fake: FakeGuest, script: Script, token: Token) -> Self {
        assert!(fake.resumed, "it boots");
        Self::begin(fake, script, Some(token), Some(preamble::recall(&token)))
    }

    /// A guest that goes on where [`suspended`](Self::suspended) was.
    pub(crate) fn go_on(fake: FakeGuest, script: Script, token: Token) -> Self {
        assert!(fake.resumed, "it boots");
        Self::live(fake, script, Some(token))
    }

    fn live(fake: FakeGuest, script: Script, token: Option<Token>) -> Self {
        Self::begin(fake, script, token, None)
    }

    /// `awaits` is what it must hear before anything else.
    fn begin(
        mut fake: FakeGuest,
        script: Script,
        token: Option<Token>,
        awaits: Option<Vec<u8>>,
    ) -> Self {
        let disk = fake
            .config
            .disks
            .iter()
            .find(|disk| disk.serial == "config");
        let boot = BootConfig::from_disk(&fs::read(&disk.unwrap().path).unwrap()).unwrap();
        let agent = Arc::new(Agent {
            script,
            boot: boot.clone(),
            driver: fake.events,
            events: broadcast::channel(16).0,
            shutdowns: watch::Sender::new(0),
            suspended: watch::Sender::new(None),
            snapshot: watch::Sender::new(None),
            told_ns: watch::Sender::new(0),
            network_bytes: AtomicU64::new(0),
        });
        let (announce, opener) = watch::channel(None);
        let living = agent.clone();
        let task = tokio::spawn(async move {
            let mut heard = Vec::new();
            while awaits.as_ref().is_some_and(|call| !heard.ends_with(call)) {
                heard.push(fake.transport.read_u8().await.unwrap());
            }
            live(living, fake.transport, announce, token).await;
        });
        Self {
            config: fake.config,
            boot,
            agent,
            opener,
            task,
        }
    }

    /// Says something of itself.
    pub(crate) fn say(&self, event: AgentEvent) {
        self.agent.events.send(event).unwrap();
    }

    /// Opens a stream to the host.
    pub(crate) async fn opener(&self) -> Opener {
        let mut opener = self.opener.clone();
        let found = opener.wait_for(Option::is_some).await.unwrap();
        found.clone().unwrap()
    }

    /// The VM ends in this way.
    pub(crate) async fn exit(self, reason: ExitReason) {
        self.task.abort();
        self.report(VmEvent::Exited(reason)).await;
    }

    /// The transport breaks, the VM goes on.
    pub(crate) fn break_off(&self) {
        self.task.abort();
    }

    pub(crate) async fn report(&self, event: VmEvent) {
        self.agent.driver.send(event).await.unwrap();
    }

    /// Waits until it was told to shut down.
    pub(crate) async fn was_shut_down(&self) {
        let mut shutdowns = self.agent.shutdowns.subscribe();
        shutdowns.wait_for(|count| *count > 0).await.unwrap();
    }

    /// The token of the order to suspend, once there was one.
    pub(crate) async fn suspended(&self) -> Token {
        let mut suspended = self.agent.suspended.subscribe();
        let token = suspended.wait_for(Option::is_some).await.unwrap();
        token.unwrap()
    }

    /// The token of the last snapshot, once there was one.
    pub(crate) async fn snapshot(&self) -> Token {
        let mut snapshot = self.agent.snapshot.subscribe();
        let token = snapshot.wait_for(Option::is_some).await.unwrap();
        token.unwrap()
    }

    /// The time that it was told, once it was.
    pub(crate) async fn told_ns(&self) -> u64 {
        let mut told = self.agent.told_ns.subscribe();
        *told.wait_for(|ns| *ns > 0).await.unwrap()
    }

    pub(crate) fn shutdowns(&self) -> usize {
        *self.agent.shutdowns.borrow()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn live(
    agent: Arc<Agent>,
    mut transport: tokio::io::DuplexStream,
    announce: watch::Sender<Option<Opener>>,
    mut token: Option<Token>,
) {
    let reply = HelloReply {
        protocol: agent.script.protocol,
        agent_version: "0.9".into(),
        kernel: "6.12".into(),
        capabilities: vec![],
    };
    loop {
        let secret = &agent.boot.secret;
        let accepted = match token {
            Some(token) => preamble::accept_again(&mut transport, token, secret, &reply).await,
            None => preamble::accept(&mut transport, secret, &reply).await,
        };
        if accepted.is_err() {
            return;
        }
        agent.suspended.send_replace(None);
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let (opener, mut incoming) = mux::start(ours, End::Guest);
        announce.send_replace(Some(opener));
        let serving = async {
            while let Some(stream) = incoming.accept().await {
                tokio::spawn(serve(agent.clone(), stream));
            }
        };
        let mut suspended = agent.suspended.subscribe();
        tokio::select! {
            () = serving => return,
            _ = tokio::io::copy_bidirectional(&mut transport, &mut theirs) => return,
            found = suspended.wait_for(Option::is_some) => token = *found.unwrap(),
        }
        announce.send_replace(None);
    }
}

async fn serve(agent: Arc<Agent>, mut stream: MuxStream) {
    let header = message::expect(&mut stream).await.unwrap();
    let reply = match &header {
        StreamHeader::Status => StreamReply::Ok {
            status: Some(Box::new(status(&agent))),
        },
        StreamHeader::Reclaim => match agent.script.keeps {
            Some(why) => StreamReply::Err(AgentError::new(AgentErrorCode::Internal, why)),
            None => StreamReply::OK,
        },
        _ => StreamReply::OK,
    };
    // Subscribed first: what the test says after it has seen an event is not missed.
    let mut events = agent.events.subscribe();
    message::write(&mut stream, &reply).await.unwrap();
    match header {
        StreamHeader::Events => {
            let mut event = AgentEvent::Engine(agent.script.engine.clone());
            while message::write(&mut stream, &event).await.is_ok() {
                event = events.recv().await.unwrap();
            }
        }
        StreamHeader::Engine => engine(stream, agent.script.containers).await,
        StreamHeader::Log { .. } => {
            stream.write_all(b"the engine's words\n").await.unwrap();
            stream.flush().await.unwrap();
            std::future::pending::<()>().await;
        }
        StreamHeader::Exec(request) if request.argv[0] == "dockerd" => {
            validate(stream, agent.script.refuses).await;
        }
        StreamHeader::Exec(request) => {
            let mut said = request.argv.join(" ").into_bytes();
            while let Ok(Some(ExecFrame::Stdin(bytes))) = exec::read(&mut stream).await {
                if bytes.is_empty() {
                    break;
                }
                said.extend(bytes);
            }
            for frame in [ExecFrame::Stdout(said), ExecFrame::Exit(3)] {
                exec::write(&mut stream, &frame).await.unwrap();
            }
            stream.shutdown().await.unwrap();
        }
        StreamHeader::DialTcp { address } => {
            let text = format!("the container at {address}");
            stream.write_all(text.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        StreamHeader::DebugPrepare(_) => {
            let process = DebugProcess {
                pid: 1,
                runtime: Runtime::Native,
                program: "/bin/web".into(),
                folder: "/".into(),
                command: vec!["web".into()],
                note: None,
            };
            message::write(&mut stream, &process).await.unwrap();
        }
        StreamHeader::Clock => {
            // A clock that stands still at the epoch until it is moved.
            let mut unix_ns = 0_i64;
            while let Ok(step_ns) = stream.read_i64().await {
                unix_ns += step_ns;
                agent.told_ns.send_replace(unix_ns as u64);
                stream.write_u64(unix_ns as u64).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
        StreamHeader::Suspend { token } => {
            // Else the order is taken back.
            let go = stream.read_u8().await;
            agent.suspended.send_replace(go.is_ok().then_some(token));
        }
        StreamHeader::Snapshot { token } => {
            agent.snapshot.send_replace(Some(token));
            // Until the host has what it wants.
            let _ = stream.read_u8().await;
        }
        StreamHeader::FileEvents => {
            // Nothing is watched that could be told.
            let _ = stream.read_u8().await;
        }
        StreamHeader::Shutdown => {
            agent.shutdowns.send_modify(|count| *count += 1);
            if agent.script.obeys {
                let end = VmEvent::Exited(ExitReason::GuestPoweredOff);
                agent.driver.send(end).await.unwrap();
            }
        }
        _ => {}
    }
}

fn status(agent: &Agent) -> AgentStatus {
    AgentStatus {
        engine: EngineState::Ready,
        engine_refused: agent.script.refuses.map(str::to_owned),
        degraded: vec![],
        image_version: "7+abc".into(),
        uptime_ms: 42_000,
        memory_total: 1 << 30,
        memory_available: 1 << 29,
        data_total: 1 << 36,
        data_used: 0,
        network_bytes: agent.network_bytes.fetch_add(agent.script.chatter, SeqCst),
        shares: agent
            .boot
            .shares
            .iter()
            .map(|share| share.path.clone())
            .collect(),
    }
}

/// As `dockerd --validate` says it of its standard input.
async fn validate(mut stream: MuxStream, refuses: Option<&'static str>) {
    let mut text = Vec::new();
    while let Ok(Some(ExecFrame::Stdin(bytes))) = exec::read(&mut stream).await {
        if bytes.is_empty() {
            break;
        }
        text.extend(bytes);
    }
    serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(&text).unwrap();
    let (said, code) = match refuses {
        Some(words) => {
            let file = "unable to configure the Docker daemon with file /dev/stdin";
            (format!("{file}: {words}\n"), 1)
        }
        None => ("configuration OK\n".to_owned(), 0),
    };
    for frame in [ExecFrame::Stderr(said.into_bytes()), ExecFrame::Exit(code)] {
        exec::write(&mut stream, &frame).await.unwrap();
    }
    stream.shutdown().await.unwrap();
}

async fn engine(stream: MuxStream, containers: &'static str) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| async move {
        let text = match request.uri().path() {
            path if path.ends_with("/version") => format!(r#"{{"Version": "{ENGINE}"}}"#),
            path if path.ends_with("/containers/json") => containers.to_owned(),
            path if path.ends_with("/json") => CONTAINER.into(),
            // It does not end.
            path if path.ends_with("/wait") => std::future::pending().await,
            _ => "OK".into(),
        };
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    });
    // A daemon that leaves in the middle is no failure of the guest.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
