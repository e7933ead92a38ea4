//! A daemon and an engine that say what the test wants.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coracle_daemon_api::{API_VERSION, DaemonNews, EngineNews, Progress, Stage, Status, paths};
use coracle_host_paths::HostPaths;
use futures::{Stream, StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fixtures;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Both, in a folder of their own.
pub(super) struct Played {
    pub(super) paths: HostPaths,
    state: Arc<State>,
    server: std::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
    _engine: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

struct State {
    api: AtomicUsize,
    told: watch::Sender<DaemonNews>,
    containers: watch::Sender<Value>,
    happened: watch::Sender<u64>,
    stop_fails: watch::Sender<bool>,
    swarm_answers: watch::Sender<bool>,
    swarm: watch::Sender<Value>,
    swarm_asked: AtomicUsize,
    events_asked: AtomicUsize,
    engine_asked: AtomicUsize,
}

impl Played {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = HostPaths::at(folder.path().join("h")).unwrap();
        paths.create().unwrap();
        let state = Arc::new(State {
            api: AtomicUsize::new(API_VERSION as usize),
            told: watch::Sender::new(DaemonNews {
                status: fixtures::status("stopped"),
                snapshots: Vec::new(),
                debug_sessions: Vec::new(),
            }),
            containers: watch::Sender::new(json!([])),
            happened: watch::Sender::new(0),
            stop_fails: watch::Sender::new(false),
            swarm_answers: watch::Sender::new(true),
            swarm: watch::Sender::new(json!({ "state": "off", "error": null, "services": [] })),
            swarm_asked: AtomicUsize::new(0),
            events_asked: AtomicUsize::new(0),
            engine_asked: AtomicUsize::new(0),
        });
        let engine = serve(&paths.engine_socket(), state.clone(), engine);
        let played = Self {
            paths,
            state,
            server: std::sync::Mutex::default(),
            _engine: engine,
            _folder: folder,
        };
        played.begin_again(API_VERSION);
        played
    }

    /// The daemon ends, with all its connections.
    pub(super) fn end(&self) {
        if let Some(server) = self.server.lock().unwrap().take() {
            server.abort();
        }
        std::fs::remove_file(self.paths.daemon_socket()).unwrap();
    }

    pub(super) fn begin_again(&self, api: u32) {
        self.state.api.store(api as usize, Ordering::SeqCst);
        let server = serve(&self.paths.daemon_socket(), self.state.clone(), daemon);
        *self.server.lock().unwrap() = Some(server);
    }

    pub(super) fn tell(&self, status: Status) {
        self.state.told.send_modify(|told| told.status = status);
    }

    /// The engine has these containers, and says nothing of it.
    pub(super) fn contain(&self, names: &[&str]) {
        let containers = names.iter().map(|name| {
            json!({
                "Id": format!("id-{name}"), "Names": [format!("/{name}")], "Image": "i",
                "State": "running", "Status": "Up", "Labels": {}, "Ports": [],
            })
        });
        self.state.containers.send_replace(containers.collect());
    }

    /// The engine says that something has happened.
    pub(super) fn happens(&self) {
        self.state.happened.send_modify(|count| *count += 1);
    }

    pub(super) fn fail_the_stop(&self) {
        self.state.stop_fails.send_replace(true);
    }

    /// A swarm is on its way, with a replica that does not run yet.
    pub(super) fn converge(&self) {
        let service = json!({
            "name": "web", "image": "web:1", "mode": "replicated", "running": 0, "desired": 1, "update": null,
            "ports": [],
        });
        let swarm = json!({ "state": "on", "error": null, "services": [service] });
        self.state.swarm.send_replace(swarm);
    }

    pub(super) fn have_the_swarm_answer(&self, answers: bool) {
        self.state.swarm_answers.send_replace(answers);
    }

    pub(super) fn swarm_asked(&self) -> usize {
        self.state.swarm_asked.load(Ordering::SeqCst)
    }

    pub(super) fn events_asked(&self) -> usize {
        self.state.events_asked.load(Ordering::SeqCst)
    }

    pub(super) fn engine_asked(&self) -> usize {
        self.state.engine_asked.load(Ordering::SeqCst)
    }
}

fn serve<F, R>(
    socket: &std::path::Path,
    state: Arc<State>,
    answer: F,
) -> tokio::task::JoinHandle<()>
where
    F: Fn(Arc<State>, Request<Incoming>) -> R + Copy + Send + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        // Ends with the task, and its connections with it.
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let state = state.clone();
            let service = service_fn(move |request| {
                let answer = answer(state.clone(), request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            connections
                .spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn daemon(state: Arc<State>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    match path.as_str() {
        paths::HELLO => {
            let api = state.api.load(Ordering::SeqCst);
            one(&json!({ "api": api, "version": "9.9", "pid": 1 }))
        }
        paths::EVENTS => {
            state.events_asked.fetch_add(1, Ordering::SeqCst);
            many(changes(state.told.subscribe()))
        }
        paths::SNAPSHOTS => {
            let name: Value = serde_json::from_slice(&body).unwrap();
            let taken = fixtures::snapshot(name["name"].as_str().unwrap());
            state.told.send_modify(|told| told.snapshots.push(taken));
            let status = Box::new(state.told.borrow().status.clone());
            many(stream::iter([Progress::Done { status }]))
        }
        paths::DEBUG => {
            let wish: Value = serde_json::from_slice(&body).unwrap();
            let session = fixtures::debugged(wish["target"].as_str().unwrap()).session;
            let begun = session.clone();
            state
                .told
                .send_modify(|told| told.debug_sessions.push(begun));
            one(&session)
        }
        paths::DEBUG_STOP => {
            let mut ended = Vec::new();
            state
                .told
                .send_modify(|told| ended.append(&mut told.debug_sessions));
            one(&ended)
        }
        paths::STOP => {
            let asked: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(asked["suspend_only"], true, "nobody was asked");
            let begun = Progress::Stage {
                stage: Stage::Suspending,
                message: "the memory is saved".into(),
            };
            let mut fails = state.stop_fails.subscribe();
            let failed = stream::once(async move {
                fails.wait_for(|fails| *fails).await.unwrap();
                let error = json!({ "code": "host", "message": "the disk is full" });
                json!({ "progress": "failed", "error": error })
            });
            let begun = serde_json::to_value(begun).unwrap();
            many(stream::iter([begun]).chain(failed))
        }
        paths::ENGINE_NEWS => {
            state.engine_asked.fetch_add(1, Ordering::SeqCst);
            many(changes(state.happened.subscribe()).map(|count| EngineNews { count }))
        }
        paths::SWARM => {
            state.swarm_asked.fetch_add(1, Ordering::SeqCst);
            let mut answers = state.swarm_answers.subscribe();
            answers.wait_for(|answers| *answers).await.unwrap();
            one(&*state.swarm.borrow())
        }
        path => panic!("the daemon was asked for {path}"),
    }
}

async fn engine(state: Arc<State>, request: Request<Incoming>) -> Answer {
    state.engine_asked.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path();
    if path.ends_with("/containers/json") {
        one(&*state.containers.borrow())
    } else {
        // Slow enough for a test to see that nobody waits.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut refused = one(&json!({ "message": "the engine's own words" }));
        *refused.status_mut() = hyper::StatusCode::CONFLICT;
        refused
    }
}

/// What it is now, then each change.
fn changes<T: Clone + Send + Sync + 'static>(
    mut value: watch::Receiver<T>,
) -> impl Stream<Item = T> + Send {
    value.mark_changed();
    stream::unfold(value, |mut value| async move {
        value.changed().await.ok()?;
        let now = value.borrow_and_update().clone();
        Some((now, value))
    })
}

fn one(value: &impl Serialize) -> Answer {
    let bytes = serde_json::to_vec(value).unwrap();
    Response::new(Full::new(Bytes::from(bytes)).boxed_unsync())
}

fn many<T: Serialize>(values: impl Stream<Item = T> + Send + 'static) -> Answer {
    let lines = values.map(|value| {
        let mut line = serde_json::to_vec(&value).unwrap();
        line.push(b'\n');
        Ok(Frame::data(Bytes::from(line)))
    });
    Response::new(BodyExt::boxed_unsync(StreamBody::new(lines)))
}
