//! HTTP connections to the engine.
//!
//! Each client's connection has at most one to the engine at rest: the next request goes out on
//! it without waiting for a new stream. Never one of another client: what a client's end resets
//! must be its own.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use coracle_guest_api::mux::MuxStream;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::answer::Body;

/// A connection may be used again for so long: well within the engine's own patience with an
/// idle one, so that its close does not cross a request.
const REST: Duration = Duration::from_secs(30);

/// How long a connection may take to be ready again after a response's last byte.
const READY_WITHIN: Duration = Duration::from_millis(50);

/// A connection that carries one request at a time. Dropped, its stream is reset.
pub(crate) struct Engine {
    sender: SendRequest<Body>,
    /// The task that drives it, which hands over the stream after an upgrade.
    pub(crate) driver: AbortOnDropHandle<()>,
}

/// Where a client's connection to the engine rests between two requests.
#[derive(Clone, Default)]
pub(crate) struct Resting(Arc<Mutex<Option<(Engine, Instant)>>>);

/// Why there is no response.
pub(crate) enum NoResponse {
    /// The connection was closed before anything of this request had left.
    Unsent(Box<Request<Body>>),
    Failed(hyper::Error),
}

impl Engine {
    /// Speaks HTTP on an engine stream.
    pub(crate) async fn on(stream: MuxStream) -> hyper::Result<Self> {
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "an engine stream broke off");
            }
        }));
        Ok(Self { sender, driver })
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, NoResponse> {
        let sent = self.sender.try_send_request(request).await;
        sent.map_err(|mut error| match error.take_message() {
            Some(request) => NoResponse::Unsent(Box::new(request)),
            None => NoResponse::Failed(error.into_error()),
        })
    }
}

impl Resting {
    /// The connection that rests here, if it can take a request.
    pub(crate) async fn take(&self) -> Option<Engine> {
        let (mut engine, since) = self.lock().take()?;
        if since.elapsed() >= REST {
            return None;
        }
        match timeout(READY_WITHIN, engine.sender.ready()).await {
            Ok(Ok(())) => Some(engine),
            _ => None,
        }
    }

    fn put(&self, engine: Engine) {
        *self.lock() = Some((engine, Instant::now()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Engine, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response's body with its connection: read to the end, the connection rests; dropped before,
/// as when the client goes away, the engine's stream is reset.
pub(crate) struct Held {
    body: Incoming,
    engine: Option<Engine>,
    resting: Resting,
    ended: bool,
}

impl Held {
    pub(crate) fn new(body: Incoming, engine: Engine, resting: Resting) -> Self {
        Self {
            body,
            engine: Some(engine),
            resting,
            ended: false,
        }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.ended |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Of a body of known length the end is not always asked for.
        if (self.ended || self.body.is_end_stream())
            && let Some(engine) = self.engine.take()
        {
            self.resting.put(engine);
        }
    }
}
