use std::convert::Infallible;

use bytes::Bytes;
use coracle_daemon_api::{ApiError, ErrorCode};
use futures::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest body that a request may have, in bytes.
const MAX_BODY: usize = 1 << 20;

/// A body that is known or one that grows.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Any answer.
pub(super) type Answer = Response<Body>;

/// A JSON body.
pub(super) fn json(value: &impl Serialize) -> Result<Answer, ApiError> {
    let text = serde_json::to_vec(value)
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(with_type(
        Full::new(text.into()).boxed_unsync(),
        "application/json",
    ))
}

/// A JSON line for each value.
pub(super) fn lines<T: Serialize>(values: impl Stream<Item = T> + Send + 'static) -> Answer {
    let lines = values.map(|value| {
        let mut line = serde_json::to_vec(&value).expect("the API's types are plain data");
        line.push(b'\n');
        Bytes::from(line)
    });
    stream(lines, "application/x-ndjson")
}

/// Text, piece by piece.
pub(super) fn text(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Answer {
    stream(pieces, "text/plain; charset=utf-8")
}

/// An [`ApiError`] with the status that fits it.
pub(super) fn failure(error: &ApiError) -> Answer {
    let status = match error.code {
        ErrorCode::InvalidInput => StatusCode::BAD_REQUEST,
        ErrorCode::WrongState | ErrorCode::AlreadyRunning => StatusCode::CONFLICT,
        ErrorCode::Missing => StatusCode::FAILED_DEPENDENCY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let text = serde_json::to_vec(error).expect("an error is plain data");
    let mut answer = with_type(Full::new(text.into()).boxed_unsync(), "application/json");
    *answer.status_mut() = status;
    answer
}

/// The JSON body of a request; no body is `null`.
pub(super) async fn body<T: DeserializeOwned>(body: Incoming) -> Result<T, ApiError> {
    let wrong = |why: String| {
        ApiError::new(
            ErrorCode::InvalidInput,
            format!("the request's body is wrong: {why}"),
        )
    };
    let bytes = Limited::new(body, MAX_BODY).collect().await;
    let bytes = bytes.map_err(|error| wrong(error.to_string()))?.to_bytes();
    let text = if bytes.is_empty() {
        b"null"
    } else {
        &bytes[..]
    };
    serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))
}

fn stream(pieces: impl Stream<Item = Bytes> + Send + 'static, kind: &'static str) -> Answer {
    let frames = pieces.map(|piece| Ok(Frame::data(piece)));
    with_type(StreamBody::new(frames).boxed_unsync(), kind)
}

fn with_type(body: Body, kind: &'static str) -> Answer {
    let mut answer = Response::new(body);
    let kind = header::HeaderValue::from_static(kind);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
