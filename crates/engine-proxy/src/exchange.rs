//! One request and its response.

use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio_util::task::AbortOnDropHandle;

use crate::access::{self, NoStream};
use crate::answer::{self, Body};
use crate::checked::{self, Checked};
use crate::connection::{Context, Tunnel, TunnelSlot};
use crate::{headers, swarm};

/// How much of a body, and for how long, is read away before a refusal is sent: a client
/// that is cut off while it writes would not see it.
const SCRAP_BYTES: usize = 64 << 20;
const SCRAP_TIME: Duration = Duration::from_secs(2);

/// Answers `request`: by the engine's response, or with an error of this end's own.
pub(crate) async fn run(
    request: Request<Incoming>,
    context: Context,
    slot: TunnelSlot,
) -> Response<Body> {
    let request = match checked::check(request, &context.policy).await {
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
    request: Request<Body>,
    mut context: Context,
    slot: TunnelSlot,
) -> Response<Body> {
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
    forward(request, TokioIo::new(stream), slot)
        .await
        .unwrap_or_else(|error| {
            tracing::debug!(%error, "the engine did not answer a request");
            let message = format!("the engine ended the connection before it answered: {error}");
            answer::error(StatusCode::BAD_GATEWAY, &message)
        })
}

async fn forward(
    mut request: Request<Body>,
    stream: TokioIo<coracle_guest_api::mux::MuxStream>,
    slot: TunnelSlot,
) -> hyper::Result<Response<Body>> {
    let (mut sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .title_case_headers(true)
        .handshake(stream)
        .await?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "an engine stream broke off");
        }
    }));
    headers::for_engine(&mut request);
    let client =
        headers::wants_upgrade(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let mut response = sender.send_request(request).await?;
    headers::strip_connection(response.headers_mut());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response.map(|body| {
            let body = Held {
                body,
                _connection: connection,
            };
            body.map_err(Into::into).boxed_unsync()
        }));
    }
    let Some(client) = client else {
        let message = "the engine switched protocols without having been asked";
        return Ok(answer::error(StatusCode::BAD_GATEWAY, message));
    };
    let engine = hyper::upgrade::on(&mut response);
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tunnel {
        client,
        engine,
        connection,
    });
    Ok(response.map(|_| answer::empty()))
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

/// A response's body with the engine's connection: when the client goes away, it is dropped
/// and the engine's stream reset.
struct Held {
    body: Incoming,
    _connection: AbortOnDropHandle<()>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
