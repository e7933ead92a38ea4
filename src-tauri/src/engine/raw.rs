//! Docker's API without bollard's types, for what those would lose: fields that they do not know, and the
//! bytes of a terminal.

use std::path::Path;
use std::time::Duration;

use coracle_daemon_api::{ApiError, ErrorCode};
use http_body_util::{BodyExt, Full};
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

impl Engine {
    /// Asks for `path`, which begins after the API's version, and reads the answer.
    pub(super) async fn read(&self, path: &str) -> Result<Value, ApiError> {
        let response = self.call(Method::GET, path, None).await?;
        let body = response.into_body().collect().await;
        let bytes = body.map_err(|error| no_answer(&error.into()))?.to_bytes();
        serde_json::from_slice(&bytes).map_err(|error| no_answer(&error.into()))
    }

    /// Posts `body`, and has the connection afterwards for bytes both ways.
    pub(super) async fn upgrade(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<TokioIo<Upgraded>, ApiError> {
        let response = self.call(Method::POST, path, Some(body)).await?;
        let upgraded = hyper::upgrade::on(response).await;
        upgraded
            .map(TokioIo::new)
            .map_err(|error| no_answer(&error.into()))
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        upgrade: Option<&Value>,
    ) -> Result<Response<Incoming>, ApiError> {
        let answer = request(&self.socket, method, path, upgrade);
        let answered = timeout(Duration::from_secs(PATIENCE), answer).await;
        let response = answered
            .unwrap_or_else(|late| Err(late.into()))
            .map_err(|error| no_answer(&error))?;
        if response.status().is_success() || response.status().is_informational() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.into_body().collect().await;
        let refusal: Option<Value> = body
            .ok()
            .and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
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

async fn request(
    socket: &Path,
    method: Method,
    path: &str,
    upgrade: Option<&Value>,
) -> Result<Response<Incoming>, Broken> {
    let stream = platform::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or with what it was upgraded to.
    tokio::spawn(connection.with_upgrades());
    let (major, minor) = (VERSION.major_version, VERSION.minor_version);
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/v{major}.{minor}{path}"))
        .header("host", "docker");
    let body = match upgrade {
        Some(json) => {
            request = request
                .header("content-type", "application/json")
                .header("connection", "Upgrade")
                .header("upgrade", "tcp");
            serde_json::to_vec(json)?
        }
        None => Vec::new(),
    };
    let request = request.body(Full::new(Bytes::from(body)))?;
    Ok(sender.send_request(request).await?)
}

fn no_answer(error: &Broken) -> ApiError {
    let message = format!("the engine did not answer: {error}");
    ApiError::new(ErrorCode::EngineFailed, message)
}
