//! An engine that answers as the test wants, and remembers what it was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixListener;

use super::Engine;

/// Until it is dropped.
pub(super) struct Played {
    pub(super) engine: Engine,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    server: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Played {
    /// `answer` gets a method and a path, and gives a status and the JSON to it.
    pub(super) fn new(answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::<Mutex<Vec<(String, Value)>>>::default();
        let (all, answer) = (asked.clone(), Arc::new(answer));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (all, answer) = (all.clone(), answer.clone());
                let service = service_fn(move |request| {
                    let (all, answer) = (all.clone(), answer.clone());
                    async move {
                        let (what, body) = read(request).await;
                        let (status, reply) = answer(&what);
                        all.lock().unwrap().push((what, body));
                        let mut response = Response::new(Full::new(Bytes::from(reply.to_string())));
                        *response.status_mut() = status.try_into().unwrap();
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            engine: Engine::new(&socket),
            asked,
            server,
            _folder: folder,
        }
    }

    /// What was asked for by a method, with the bodies.
    pub(super) fn asked(&self, method: &str) -> Vec<(String, Value)> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.retain(|(what, _)| what.starts_with(method));
        asked
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn read(request: Request<Incoming>) -> (String, Value) {
    // bollard writes it with an origin.
    let path = request.uri().path_and_query().unwrap();
    let what = format!("{} {path}", request.method());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    (what, serde_json::from_slice(&body).unwrap_or_default())
}
