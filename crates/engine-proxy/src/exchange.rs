//! One request and its response.

use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::access::{self, NoStream};
use crate::answer::{self, Body};
use crate::checked::{self, Checked};
use crate::connection::{Context, Tunnel, TunnelSlot};
use crate::engine::{Engine, Held, NoResponse};
use crate::{headers, swarm};

/// How much of a body, and for how long, is read away before a refusal is sent: a client
/// that is cut off while it writes would not see it.
const SCRAP_BYTES: usize = 64 << 20;
const SCRAP_TIME: Duration = Duration::from_secs(2);

/// The longest answer of the engine to what this end asks for itself, in bytes.
const MAX_OWN_ANSWER: usize = 1 << 20;

/// Answers `request`: by the engine's response, or with an error of this end's own.
pub(crate) async fn run(
    request: Request<Incoming>,
    context: Context,
    slot: TunnelSlot,
) -> Response<Body> {
    let request = match checked::check(request, &context).await {
        Checked::Pass(request) => request,
        Checked::Refuse(status, message, rest) => {
            read_away(rest).await;
            return answer::error(status, &message);
        }
    };
    let renew = request.extensions().get::<swarm::RenewAfter>().is_some();
    let response = pass_on(request, context.clone(), slot).await;
    if renew && response.status() == StatusCode::OK {
        // On a task of its own: it is to be finished for a client that goes away as well.
        let _ = tokio::spawn(swarm::renew(context)).await;
    }
    response
}

/// Answers a request that was checked.
pub(crate) async fn pass_on(
    mut request: Request<Body>,
    mut context: Context,
    slot: TunnelSlot,
) -> Response<Body> {
    headers::for_engine(&mut request);
    // What is upgraded keeps its connection, and cannot be sent twice.
    if !headers::wants_upgrade(request.headers())
        && let Some(engine) = context.resting.take().await
    {
        match forward(request, engine, &context, &slot).await {
            Ok(response) => return response,
            Err(NoResponse::Failed(error)) => return broken(&error),
            Err(NoResponse::Unsent(again)) => request = *again,
        }
    }
    let stream = match access::connect(&mut context.access, context.patience).await {
        Ok(stream) => stream,
        Err(reason) => {
            read_away(request.into_body()).await;
            return match reason {
                NoStream::Unavailable(message) => {
                    answer::error(StatusCode::SERVICE_UNAVAILABLE, &message)
                }
                NoStream::Broken(message) => answer::error(StatusCode::BAD_GATEWAY, &message),
            };
        }
    };
    let engine = match Engine::on(stream).await {
        Ok(engine) => engine,
        Err(error) => return broken(&error),
    };
    match forward(request, engine, &context, &slot).await {
        Ok(response) => response,
        Err(NoResponse::Failed(error)) => broken(&error),
        Err(NoResponse::Unsent(_)) => broken(&"it was closed"),
    }
}

fn broken(error: &dyn std::fmt::Display) -> Response<Body> {
    tracing::debug!(%error, "the engine did not answer a request");
    let message = format!("the engine ended the connection before it answered: {error}");
    answer::error(StatusCode::BAD_GATEWAY, &message)
}

async fn forward(
    mut request: Request<Body>,
    mut engine: Engine,
    context: &Context,
    slot: &TunnelSlot,
) -> Result<Response<Body>, NoResponse> {
    let client =
        headers::wants_upgrade(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let mut response = engine.send(request).await?;
    headers::strip_connection(response.headers_mut());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let resting = context.resting.clone();
        return Ok(response.map(|body| {
            let body = Held::new(body, engine, resting);
            body.map_err(Into::into).boxed_unsync()
        }));
    }
    let Some(client) = client else {
        let message = "the engine switched protocols without having been asked";
        return Ok(answer::error(StatusCode::BAD_GATEWAY, message));
    };
    let upgraded = hyper::upgrade::on(&mut response);
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tunnel {
        client,
        engine: upgraded,
        connection: engine.driver,
    });
    Ok(response.map(|_| answer::empty()))
}

/// Asks the engine something for this end's own use; `body` is JSON, or null for none.
pub(crate) async fn ask(
    context: &Context,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<(StatusCode, String), String> {
    let body = match body {
        Value::Null => answer::empty(),
        body => answer::full(body.to_string()),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "docker")
        .header("content-type", "application/json")
        .body(body)
        .map_err(|error| error.to_string())?;
    let response = pass_on(request, context.clone(), Default::default()).await;
    let status = response.status();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
        if bytes.len() > MAX_OWN_ANSWER {
            return Err("the engine's answer is too long".into());
        }
    }
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

async fn read_away(mut body: Body) {
    let mut left = SCRAP_BYTES;
    let _ = tokio::time::timeout(SCRAP_TIME, async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    })
    .await;
}
