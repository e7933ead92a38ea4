//! Words with the engine: the first ones, and single requests.

pub(crate) mod configuration;

use std::time::Duration;

use bytes::Bytes;
use coracle_guest_api::mux::Opener;
use coracle_guest_api::status::AgentStatus;
use coracle_guest_api::{StreamHeader, StreamReply};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use crate::event::{EngineFacts, Reporter, RunEvent};
use crate::task::Task;

/// The longest answer: a thousand services stay far below it.
const MAX_ANSWER: usize = 64 << 20;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Asks the engine for its version until it answers, through the same way as every client:
/// when this has been reported the socket works.
pub(crate) async fn ask(opener: Opener, each: Duration, reporter: Reporter) {
    loop {
        let asked = timeout(each, async {
            Ok::<_, Failure>(EngineFacts {
                version: version(&opener).await?,
                guest: status(&opener).await?,
            })
        });
        match asked.await {
            Ok(Ok(facts)) => return reporter.send(RunEvent::EngineAnswered(facts)).await,
            Ok(Err(error)) => tracing::debug!(%error, "the engine has not answered yet"),
            Err(_) => tracing::debug!("the engine has not answered in time"),
        }
        sleep(each / 10).await;
    }
}

/// What the agent says of the guest now.
pub(crate) async fn status(opener: &Opener) -> Result<Box<AgentStatus>, Failure> {
    match opener.open(&StreamHeader::Status).await? {
        (
            _,
            StreamReply::Ok {
                status: Some(status),
            },
        ) => Ok(status),
        _ => Err("the agent gave no status".into()),
    }
}

/// Has the engine's `/version` answered.
async fn version(opener: &Opener) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Version")]
        version: String,
    }
    let (status, body) = request(opener, Method::GET, "/version", Bytes::new()).await?;
    if status != StatusCode::OK {
        return Err(format!("the engine answered with {status}").into());
    }
    let answer: Answer = serde_json::from_slice(&body)?;
    Ok(answer.version)
}

/// One request of Docker's API, on a stream of its own; `body` is JSON or empty.
pub(crate) async fn request(
    opener: &Opener,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Failure> {
    let (stream, _) = opener.open(&StreamHeader::Engine).await?;
    request_over(stream, method, path, body).await
}

/// The same over a connection that leads to the engine.
pub(crate) async fn request_over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _connection = Task::spawn(async {
        // Its failure is the request's too.
        let _ = connection.await;
    });
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "docker")
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER);
    Ok((status, body.collect().await?.to_bytes()))
}
