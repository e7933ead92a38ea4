//! The client side, for the command, the tray app and tests.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use coracle_guest_api::exec::ExecRequest;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    API_VERSION, ApiError, DaemonNews, DebugRequest, DebugSession, DebugStop, DebugWrite,
    EngineNews, ErrorCode, Hello, Progress, Reclaimed, Setting, SettingChange, SettingsChanged,
    Snapshot, SnapshotName, StartOptions, Status, StopOptions, SwarmChange, SwarmStatus, WatchLine,
    WatchRequest, paths, platform,
};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the daemon's socket.
    #[error("the daemon does not run ({0}): `coracle start` starts it")]
    NotRunning(PathBuf),
    /// The daemon answered with an error.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The connection broke: the daemon ended meanwhile.
    #[error("the daemon ended before it answered ({0}): `coracle start` starts it")]
    Broken(String),
    /// The daemon speaks another version of the API; one sentence with the remedy.
    #[error("{0}")]
    OtherVersion(String),
    /// The answer was not understood.
    #[error("the daemon did not answer as expected: {0}")]
    Protocol(String),
}

impl ClientError {
    /// The same as an [`ApiError`], for exit codes and `--json`.
    pub fn to_api(&self) -> ApiError {
        match self {
            Self::Api(error) => error.clone(),
            _ => ApiError::new(ErrorCode::DaemonUnreachable, self.to_string()),
        }
    }
}

impl From<hyper::Error> for ClientError {
    fn from(error: hyper::Error) -> Self {
        // What is not HTTP is somebody else's; all other errors of a connection are its end.
        if error.is_parse() {
            Self::Protocol(error.to_string())
        } else {
            Self::Broken(error.to_string())
        }
    }
}

impl From<serde_json::Error> for ClientError {
    fn from(error: serde_json::Error) -> Self {
        Self::Protocol(error.to_string())
    }
}

/// The stream of [`Client::shell`]: frames of [`coracle_guest_api::exec`].
pub type ShellStream = TokioIo<hyper::upgrade::Upgraded>;

/// Talks to the daemon of one state folder. One connection a call.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon that listens on `socket`. Nothing is sent yet.
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Where it looks for the daemon.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks who is there; refuses a daemon of another API version.
    pub async fn hello(&self) -> Result<Hello, ClientError> {
        let hello: Hello = self.get(paths::HELLO).await?;
        if hello.api != API_VERSION {
            return Err(ClientError::OtherVersion(format!(
                "the daemon {} speaks version {} of the API and this program {API_VERSION}: \
                 run `coracle stop --quit`, then `coracle start`",
                hello.version, hello.api
            )));
        }
        Ok(hello)
    }

    /// The status now.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get(paths::STATUS).await
    }

    /// Calls `each` with what the daemon knows now and after every change until it returns false.
    pub async fn events(
        &self,
        mut each: impl FnMut(DaemonNews) -> bool,
    ) -> Result<(), ClientError> {
        let response = self.send(Method::GET, paths::EVENTS, Bytes::new()).await?;
        lines(response, |news| Ok(each(news))).await
    }

    /// Calls `each` at once, and whenever something has happened to containers or services, until it
    /// returns false or the VM goes.
    pub async fn engine_news(
        &self,
        mut each: impl FnMut(EngineNews) -> bool,
    ) -> Result<(), ClientError> {
        let path = paths::ENGINE_NEWS;
        let response = self.send(Method::GET, path, Bytes::new()).await?;
        lines(response, |news| Ok(each(news))).await
    }

    /// Starts the VM; `each` sees every line of progress. Returns the final status.
    pub async fn start(
        &self,
        options: &StartOptions,
        each: impl FnMut(&Progress),
    ) -> Result<Status, ClientError> {
        self.long(paths::START, options, each).await
    }

    /// Stops the VM, in order.
    pub async fn stop(
        &self,
        options: &StopOptions,
        each: impl FnMut(&Progress),
    ) -> Result<Status, ClientError> {
        self.long(paths::STOP, options, each).await
    }

    /// Stops and starts.
    pub async fn restart(
        &self,
        options: &StartOptions,
        each: impl FnMut(&Progress),
    ) -> Result<Status, ClientError> {
        self.long(paths::RESTART, options, each).await
    }

    /// Stops the VM and deletes everything the engine holds.
    pub async fn reset(&self, each: impl FnMut(&Progress)) -> Result<Status, ClientError> {
        self.long(paths::RESET, &(), each).await
    }

    /// All settings.
    pub async fn settings(&self) -> Result<Vec<Setting>, ClientError> {
        self.get(paths::SETTINGS).await
    }

    /// Changes settings, all or none.
    pub async fn change(&self, changes: &[SettingChange]) -> Result<SettingsChanged, ClientError> {
        let body = serde_json::to_vec(changes)?.into();
        let response = self.send(Method::PATCH, paths::SETTINGS, body).await?;
        Ok(serde_json::from_slice(&collect(response).await?)?)
    }

    /// Every step of edits, until the daemon ends.
    pub async fn watch(&self, request: &WatchRequest) -> Result<Lines<WatchLine>, ClientError> {
        let body = serde_json::to_vec(request)?.into();
        let response = self.send(Method::POST, paths::WATCH, body).await?;
        Ok(Lines::of(response))
    }

    /// The snapshots, the oldest first.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>, ClientError> {
        self.get(paths::SNAPSHOTS).await
    }

    /// Takes a snapshot of the running VM.
    pub async fn take_snapshot(
        &self,
        name: &SnapshotName,
        each: impl FnMut(&Progress),
    ) -> Result<Status, ClientError> {
        self.long(paths::SNAPSHOTS, name, each).await
    }

    /// Gives up what the VM is now and goes on from a snapshot.
    pub async fn restore_snapshot(
        &self,
        name: &SnapshotName,
        each: impl FnMut(&Progress),
    ) -> Result<Status, ClientError> {
        self.long(paths::SNAPSHOT_RESTORE, name, each).await
    }

    /// Deletes a snapshot.
    pub async fn delete_snapshot(
        &self,
        name: &SnapshotName,
        each: impl FnMut(&Progress),
    ) -> Result<Status, ClientError> {
        self.long(paths::SNAPSHOT_DELETE, name, each).await
    }

    /// The swarm and its services.
    pub async fn swarm(&self) -> Result<SwarmStatus, ClientError> {
        self.get(paths::SWARM).await
    }

    /// Makes or ends the swarm; no change is no error.
    pub async fn change_swarm(&self, change: SwarmChange) -> Result<SwarmStatus, ClientError> {
        let body = serde_json::to_vec(&change)?.into();
        let response = self.send(Method::POST, paths::SWARM, body).await?;
        Ok(serde_json::from_slice(&collect(response).await?)?)
    }

    /// Has the VM give back what it can do without.
    pub async fn reclaim(&self) -> Result<Reclaimed, ClientError> {
        let response = self
            .send(Method::POST, paths::RECLAIM, Bytes::new())
            .await?;
        Ok(serde_json::from_slice(&collect(response).await?)?)
    }

    /// The debug sessions.
    pub async fn debug_sessions(&self) -> Result<Vec<DebugSession>, ClientError> {
        self.get(paths::DEBUG).await
    }

    /// Begins a debug session, or finds the one there is.
    pub async fn debug(&self, request: &DebugRequest) -> Result<DebugSession, ClientError> {
        let body = serde_json::to_vec(request)?.into();
        let response = self.send(Method::POST, paths::DEBUG, body).await?;
        Ok(serde_json::from_slice(&collect(response).await?)?)
    }

    /// Ends debug sessions; none that fits is an error.
    pub async fn stop_debug(&self, stop: &DebugStop) -> Result<Vec<DebugSession>, ClientError> {
        let body = serde_json::to_vec(stop)?.into();
        let response = self.send(Method::POST, paths::DEBUG_STOP, body).await?;
        Ok(serde_json::from_slice(&collect(response).await?)?)
    }

    /// Writes a session's configuration for an editor.
    pub async fn write_debug(&self, write: &DebugWrite) -> Result<DebugSession, ClientError> {
        let body = serde_json::to_vec(write)?.into();
        let response = self.send(Method::POST, paths::DEBUG_WRITE, body).await?;
        Ok(serde_json::from_slice(&collect(response).await?)?)
    }

    /// Text of a log (`daemon`, `vm`, `engine`).
    pub async fn logs(&self, source: &str, follow: bool) -> Result<ByteStream, ClientError> {
        let path = format!("{}?source={source}&follow={follow}", paths::LOGS);
        let body = self.send(Method::GET, &path, Bytes::new()).await?;
        Ok(ByteStream(body))
    }

    /// Runs a program in the guest.
    pub async fn shell(&self, request: &ExecRequest) -> Result<ShellStream, ClientError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(paths::SHELL)
            .header("host", "coracle")
            .header("connection", "Upgrade")
            .header("upgrade", "coracle-exec")
            .body(Full::new(Bytes::from(serde_json::to_vec(request)?)))
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        let response = self.request(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(failure(response).await);
        }
        Ok(TokioIo::new(hyper::upgrade::on(response).await?))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.send(Method::GET, path, Bytes::new()).await?;
        Ok(serde_json::from_slice(&collect(response).await?)?)
    }

    async fn long(
        &self,
        path: &str,
        options: &impl Serialize,
        mut each: impl FnMut(&Progress),
    ) -> Result<Status, ClientError> {
        let body = serde_json::to_vec(options)?.into();
        let response = self.send(Method::POST, path, body).await?;
        let mut last = None;
        lines(response, |progress| {
            each(&progress);
            match progress {
                Progress::Stage { .. } => Ok(true),
                Progress::Done { status } => {
                    last = Some(*status);
                    Ok(false)
                }
                Progress::Failed { error } => Err(error.into()),
            }
        })
        .await?;
        last.ok_or_else(|| ClientError::Protocol("it ended before it was done".into()))
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Incoming, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "coracle")
            .body(Full::new(body))
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        let response = self.request(request).await?;
        if response.status().is_success() {
            Ok(response.into_body())
        } else {
            Err(failure(response).await)
        }
    }

    async fn request(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream = platform::connect(&self.socket)
            .await
            .map_err(|_| ClientError::NotRunning(self.socket.clone()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender.send_request(request).await?)
    }
}

async fn collect(body: Incoming) -> Result<Bytes, ClientError> {
    Ok(body.collect().await?.to_bytes())
}

async fn failure(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    match collect(response.into_body()).await {
        Ok(body) => match serde_json::from_slice::<ApiError>(&body) {
            Ok(error) => error.into(),
            Err(_) => ClientError::Protocol(format!("status {status}")),
        },
        Err(error) => error,
    }
}

/// Bytes on their way from the daemon; what nobody takes waits there.
#[derive(Debug)]
pub struct ByteStream(Incoming);

impl ByteStream {
    /// The next piece, of any length; nothing when it has ended.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.0.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// JSON values on their way from the daemon, each a line; what nobody takes waits there.
#[derive(Debug)]
pub struct Lines<T> {
    bytes: ByteStream,
    pending: Vec<u8>,
    values: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    fn of(body: Incoming) -> Self {
        Self {
            bytes: ByteStream(body),
            pending: Vec::new(),
            values: PhantomData,
        }
    }

    /// The next value; nothing when they have ended.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            match self.bytes.next().await? {
                Some(data) => self.pending.extend_from_slice(&data),
                None => return Ok(None),
            }
        }
    }
}

/// Calls `each` with every JSON line of a body until it returns false.
async fn lines<T: DeserializeOwned>(
    body: Incoming,
    mut each: impl FnMut(T) -> Result<bool, ClientError>,
) -> Result<(), ClientError> {
    let mut lines = Lines::of(body);
    while let Some(value) = lines.next().await? {
        if !each(value)? {
            break;
        }
    }
    Ok(())
}
