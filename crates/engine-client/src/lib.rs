//! Docker's API over streams of the guest: lists, the news that there is something new, and orders.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use coracle_guest_api::StreamHeader;
use coracle_guest_api::mux::Opener;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

/// The longest answer, in bytes: a thousand services stay far below it.
const MAX_ANSWER: usize = 64 << 20;

/// Why the engine did not answer as it should.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Has a JSON answer; `None` when the engine has none to give (503: no swarm, or not now).
pub async fn get<T: DeserializeOwned>(opener: &Opener, path: &str) -> Result<Option<T>, Failure> {
    let (status, bytes) = answer(opener, Method::GET, path, None).await?;
    match status {
        StatusCode::OK => Ok(Some(serde_json::from_slice(&bytes)?)),
        StatusCode::SERVICE_UNAVAILABLE => Ok(None),
        other => Err(format!("the engine answered {path} with {other}").into()),
    }
}

/// Orders something; what the engine answers. A refusal is told in its own words.
pub async fn post(opener: &Opener, path: &str, body: Option<&Value>) -> Result<Bytes, Failure> {
    let (status, bytes) = answer(opener, Method::POST, path, body).await?;
    if status.is_success() {
        return Ok(bytes);
    }
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    Err(match serde_json::from_slice(&bytes) {
        Ok(Refusal { message }) => message.into(),
        Err(_) => format!("the engine answered {path} with {status}").into(),
    })
}

async fn answer(
    opener: &Opener,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Bytes), Failure> {
    let (response, _connection) = request(opener, method, path, body).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER);
    Ok((status, body.collect().await?.to_bytes()))
}

/// The engine's events, of which only the coming matters. Dropped, the request ends.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    _connection: AbortOnDropHandle<()>,
}

impl Events {
    /// Begins; what happens after it is not missed. `filters` is Docker's JSON of types and events.
    pub async fn open(opener: &Opener, filters: &serde_json::Value) -> Result<Self, Failure> {
        let path = format!("/events?filters={}", query_value(&filters.to_string()));
        let (response, connection) = request(opener, Method::GET, &path, None).await?;
        match response.status() {
            StatusCode::OK => Ok(Self {
                body: response.into_body(),
                _connection: connection,
            }),
            other => Err(format!("the engine gives no events: {other}").into()),
        }
    }

    /// Waits for one or more; fails when there are none any more.
    pub async fn next(&mut self) -> Result<(), Failure> {
        match self.body.frame().await {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
            None => Err("the engine ended them".into()),
        }
    }

    /// Forgets those that have come already.
    pub fn skip(&mut self) {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Some(Ok(_))) =
            Pin::new(&mut self.body).poll_frame(&mut context)
        {}
    }
}

async fn request(
    opener: &Opener,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), Failure> {
    let (stream, _) = opener.open(&StreamHeader::Engine).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async {
        // Its failure is the request's too.
        let _ = connection.await;
    }));
    poll_fn(|context| sender.poll_ready(context)).await?;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "docker");
    let body = match body {
        Some(json) => {
            request = request.header("content-type", "application/json");
            serde_json::to_vec(json)?
        }
        None => Vec::new(),
    };
    let request = request.body(Full::new(Bytes::from(body)))?;
    Ok((sender.send_request(request).await?, connection))
}

/// A value in a query, everything but letters and digits escaped.
pub fn query_value(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_any_text() {
        assert_eq!(
            query_value(r#"{"a":["b c"]}"#),
            "%7B%22a%22%3A%5B%22b%20c%22%5D%7D"
        );
    }
}
