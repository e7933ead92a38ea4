//! The engine socket against a guest that plays the engine.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use coracle_guest_api::mux::{self, End, Incoming, MuxStream, Opener};
use coracle_guest_api::{AgentError, AgentErrorCode, StreamHeader, StreamReply, message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::access::Patience;
use crate::listen::serve_with;
use crate::{EngineAccess, MountPolicy};

mod engine_down;
mod hostile;
mod mounting;
mod publishing;
mod reuse;
mod streams;
mod swarms;
mod upgrades;

const SOON: Duration = Duration::from_secs(20);

/// A served engine socket. Dropped, it ends.
struct Bed {
    access: watch::Sender<EngineAccess>,
    policy: watch::Sender<MountPolicy>,
    publish_on: watch::Sender<Option<IpAddr>>,
    folder: tempfile::TempDir,
    served: JoinHandle<()>,
    /// Keeps the transport alive.
    _wishes: Option<Incoming>,
}

impl Bed {
    /// With this access and half a second of patience.
    fn with_access(access: EngineAccess) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let (access, watched) = watch::channel(access);
        let (policy, rules) = watch::channel(MountPolicy::default());
        let (publish_on, address) = watch::channel(None);
        let patience = Patience {
            total: Duration::from_millis(500),
            retry: Duration::from_millis(20),
        };
        Self {
            access,
            policy,
            publish_on,
            folder,
            served: tokio::spawn(serve_with(listener, watched, rules, address, patience)),
            _wishes: None,
        }
    }

    /// With an engine that treats each stream by `engine`.
    fn new<F: Future<Output = ()> + Send + 'static>(
        engine: impl Fn(MuxStream) -> F + Send + 'static,
    ) -> Self {
        let (opener, wishes) = guest(engine);
        let mut bed = Self::with_access(EngineAccess::Ready(opener));
        bed._wishes = Some(wishes);
        bed
    }

    /// With an engine that answers every request with the same bytes, and hangs up.
    fn answering(response: &'static str) -> Self {
        Self::new(move |mut stream| async move {
            head(&mut stream).await;
            stream.write_all(response.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        })
    }

    async fn client(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("docker.sock"))
            .await
            .unwrap()
    }

    /// One request on a connection of its own; the whole response.
    async fn ask(&self, request: &str) -> String {
        let mut client = self.client().await;
        client.write_all(request.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut response = String::new();
        timeout(SOON, client.read_to_string(&mut response))
            .await
            .expect("a response")
            .unwrap();
        response
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.served.abort();
    }
}

fn guest<F: Future<Output = ()> + Send + 'static>(
    engine: impl Fn(MuxStream) -> F + Send + 'static,
) -> (Opener, Incoming) {
    let (host_io, guest_io) = tokio::io::duplex(64 << 10);
    let (opener, wishes) = mux::start(host_io, End::Host);
    let (_, mut incoming) = mux::start(guest_io, End::Guest);
    tokio::spawn(async move {
        while let Some(mut stream) = incoming.accept().await {
            let header: StreamHeader = message::expect(&mut stream).await.unwrap();
            assert!(matches!(header, StreamHeader::Engine));
            message::write(&mut stream, &StreamReply::OK).await.unwrap();
            tokio::spawn(engine(stream));
        }
    });
    (opener, wishes)
}

/// Reads up to and including the empty line.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match timeout(SOON, stream.read_u8()).await.expect("a head") {
            Ok(byte) => bytes.push(byte),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A whole request, as method, path and body.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let head = head(stream).await;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
    format!("{line} {}", String::from_utf8(body).unwrap())
}

/// Answers one.
async fn respond(stream: &mut (impl AsyncWrite + Unpin), status: &str, body: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

/// Reads until `end` has come.
async fn until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        match timeout(SOON, stream.read_u8()).await {
            Ok(Ok(byte)) => bytes.push(byte),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Waits for the end of a stream, reset or not.
async fn ended(stream: &mut (impl AsyncRead + Unpin)) {
    let mut scrap = [0; 1024];
    let end = async { while matches!(stream.read(&mut scrap).await, Ok(1..)) {} };
    timeout(SOON, end).await.expect("the stream did not end");
}
