//! Docker's API over streams of the guest.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use coracle_guest_api::StreamHeader;
use coracle_guest_api::mux::Opener;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;

/// The longest answer, in bytes: a thousand services stay far below it.
const MAX_ANSWER: usize = 64 << 20;

/// `{"type":["service","node","network"],"event":["create","update","remove","destroy"]}`: what is
/// worth a new look. A swarm that is left removes its network and says nothing else; what
/// containers do with networks does not matter.
const FILTERS: &str = "%7B%22type%22%3A%5B%22service%22%2C%22node%22%2C%22network%22%5D\
    %2C%22event%22%3A%5B%22create%22%2C%22update%22%2C%22remove%22%2C%22destroy%22%5D%7D";

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Has a JSON answer; `None` when the engine has none to give (503: no swarm, or not now).
pub(super) async fn get<T: DeserializeOwned>(
    opener: &Opener,
    path: &str,
) -> Result<Option<T>, Failure> {
    let (response, _connection) = request(opener, path).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER);
    let bytes = body.collect().await?.to_bytes();
    match status {
        StatusCode::OK => Ok(Some(serde_json::from_slice(&bytes)?)),
        StatusCode::SERVICE_UNAVAILABLE => Ok(None),
        other => Err(format!("the engine answered {path} with {other}").into()),
    }
}

/// The engine's events, of which only the coming matters. Dropped, the request ends.
pub(super) struct Events {
    body: Incoming,
    _connection: AbortOnDropHandle<()>,
}

impl Events {
    /// Begins; what happens after it is not missed.
    pub(super) async fn open(opener: &Opener) -> Result<Self, Failure> {
        let (response, connection) = request(opener, &format!("/events?filters={FILTERS}")).await?;
        match response.status() {
            StatusCode::OK => Ok(Self {
                body: response.into_body(),
                _connection: connection,
            }),
            other => Err(format!("the engine gives no events: {other}").into()),
        }
    }

    /// Waits for one or more; fails when there are none any more.
    pub(super) async fn next(&mut self) -> Result<(), Failure> {
        match self.body.frame().await {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
            None => Err("the engine ended them".into()),
        }
    }

    /// Forgets those that have come already.
    pub(super) fn skip(&mut self) {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Some(Ok(_))) =
            Pin::new(&mut self.body).poll_frame(&mut context)
        {}
    }
}

async fn request(
    opener: &Opener,
    path: &str,
) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), Failure> {
    let (stream, _) = opener.open(&StreamHeader::Engine).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async {
        // Its failure is the request's too.
        let _ = connection.await;
    }));
    poll_fn(|context| sender.poll_ready(context)).await?;
    let request = Request::get(path)
        .header("host", "docker")
        .body(Empty::<Bytes>::new())?;
    Ok((sender.send_request(request).await?, connection))
}
