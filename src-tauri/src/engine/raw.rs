//! Docker's API without bollard's types, for what those would lose: fields that they do not know, in what is shown and
//! in what is written back, and the bytes of a terminal.

use std::path::Path;
use std::time::Duration;

use coracle_daemon_api::{ApiError, ErrorCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;

use super::{Engine, PATIENCE, VERSION};
use crate::platform;

/// Why a call failed that never came as far as an answer.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The longest answer, in bytes: the engine is the guest's, which is not trusted.
const MAX_ANSWER: usize = 64 << 20;

/// What a request has besides its path.
#[derive(Clone, Copy)]
enum Body<'a> {
    None,
    Json(&'a Value),
    /// JSON, and the wish to have the connection for bytes both ways.
    Upgrade(&'a Value),
}

impl Engine {
    /// Asks for `path`, which begins after the API's version, and reads the answer.
    pub(super) async fn read(&self, path: &str) -> Result<Value, ApiError> {
        self.read_current(&versioned(path)).await
    }

    /// The same in the version that is the engine's own, with all that it knows.
    pub(super) async fn read_current(&self, path: &str) -> Result<Value, ApiError> {
        let response = self.call(Method::GET, path, Body::None).await?;
        let bytes = collect(response, MAX_ANSWER, PATIENCE).await;
        let bytes = bytes.map_err(|error| no_answer(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| no_answer(&error.into()))
    }

    /// Posts `body` in the engine's own version, for which it has no more to say than that it is done. Of an older
    /// version it would drop what that did not have.
    pub(super) async fn post_current(&self, path: &str, body: &Value) -> Result<(), ApiError> {
        let response = self.call(Method::POST, path, Body::Json(body)).await?;
        let answered = collect(response, MAX_ANSWER, PATIENCE).await;
        answered.map(drop).map_err(|error| no_answer(&error))
    }

    /// Posts `body`, and has the connection afterwards for bytes both ways.
    pub(super) async fn upgrade(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<TokioIo<Upgraded>, ApiError> {
        let path = versioned(path);
        let response = self.call(Method::POST, &path, Body::Upgrade(body)).await?;
        let upgraded = hyper::upgrade::on(response).await;
        upgraded
            .map(TokioIo::new)
            .map_err(|error| no_answer(&error.into()))
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
    ) -> Result<Response<Incoming>, ApiError> {
        let answer = request(&self.socket, method, path, body);
        let answered = timeout(Duration::from_secs(PATIENCE), answer).await;
        let response = answered
            .unwrap_or_else(|late| Err(late.into()))
            .map_err(|error| no_answer(&error))?;
        if response.status().is_success() || response.status().is_informational() {
            return Ok(response);
        }
        let status = response.status();
        let refusal: Option<Value> = collect(response, MAX_ANSWER, PATIENCE)
            .await
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let message = match refusal
            .as_ref()
            .and_then(|refusal| refusal["message"].as_str())
        {
            Some(message) => message.to_owned(),
            None => format!("the engine answered {path} with {status}"),
        };
        Err(ApiError::new(ErrorCode::EngineFailed, message))
    }
}

/// A whole body of at most `longest` bytes, which has to be there in `patience` seconds.
async fn collect(
    response: Response<Incoming>,
    longest: usize,
    patience: u64,
) -> Result<Bytes, Broken> {
    let body = Limited::new(response.into_body(), longest).collect();
    let body = timeout(Duration::from_secs(patience), body).await??;
    Ok(body.to_bytes())
}

async fn request(
    socket: &Path,
    method: Method,
    path: &str,
    body: Body<'_>,
) -> Result<Response<Incoming>, Broken> {
    let stream = platform::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or with what it was upgraded to.
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "docker");
    if let Body::Upgrade(_) = body {
        request = request
            .header("connection", "Upgrade")
            .header("upgrade", "tcp");
    }
    let body = match body {
        Body::None => Vec::new(),
        Body::Json(json) | Body::Upgrade(json) => {
            request = request.header("content-type", "application/json");
            serde_json::to_vec(json)?
        }
    };
    let request = request.body(Full::new(Bytes::from(body)))?;
    Ok(sender.send_request(request).await?)
}

fn versioned(path: &str) -> String {
    let (major, minor) = (VERSION.major_version, VERSION.minor_version);
    format!("/v{major}.{minor}{path}")
}

fn no_answer(error: &Broken) -> ApiError {
    let message = format!("the engine did not answer: {error}");
    ApiError::new(ErrorCode::EngineFailed, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixListener;

    use super::*;
    use crate::engine::played::Played;

    #[tokio::test]
    async fn an_answer_has_a_longest_length() {
        let played = Played::new(|_| (200, json!("x".repeat(1000))));
        let ask = || played.engine.call(Method::GET, "/info", Body::None);
        let whole = collect(ask().await.unwrap(), 1002, PATIENCE).await;
        assert_eq!(whole.unwrap().len(), 1002);
        let cut = collect(ask().await.unwrap(), 1001, PATIENCE).await;
        assert!(cut.is_err(), "one byte too many");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let begins = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[";
            stream.write_all(head).await.unwrap();
            stream
        });
        let engine = Engine::new(&socket);
        let response = engine.call(Method::GET, "/info", Body::None).await.unwrap();
        let _stays_open = begins.await.unwrap();
        let waited = collect(response, MAX_ANSWER, 1).await;
        assert!(waited.unwrap_err().is::<tokio::time::error::Elapsed>());
    }
}
