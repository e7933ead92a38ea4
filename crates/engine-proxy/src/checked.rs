//! The requests that are read whole because they can name folders and addresses of the host, or make a swarm.

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::answer::{self, Body};
use crate::connection::Context;
use crate::mounts::{self, Route, Verdict};
use crate::{ports, swarm};

/// The longest such request, in bytes.
const MAX_BODY: usize = 16 << 20;

/// A request after the check.
pub(crate) enum Checked {
    /// Goes on to the engine.
    Pass(Request<Body>),
    /// Refused with this status and sentence; what is left of the body.
    Refuse(StatusCode, String, Body),
}

/// Checks a request's mounts and places its ports; any other request passes with its body unread.
pub(crate) async fn check(request: Request<Incoming>, context: &Context) -> Checked {
    let Some(route) = Route::of(request.method(), request.uri().path()) else {
        return Checked::Pass(request.map(|body| body.map_err(Into::into).boxed_unsync()));
    };
    let (parts, mut body) = request.into_parts();
    let bytes = match Limited::new(&mut body, MAX_BODY).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            let rest = body.map_err(Into::into).boxed_unsync();
            return if error.is::<LengthLimitError>() {
                let message = format!("the request is longer than {} MiB", MAX_BODY >> 20);
                Checked::Refuse(StatusCode::PAYLOAD_TOO_LARGE, message, rest)
            } else {
                let message = format!("the request's body could not be read: {error}");
                Checked::Refuse(StatusCode::BAD_REQUEST, message, answer::empty())
            };
        }
    };
    let policy = context.policy.borrow().clone();
    let copy = bytes.clone();
    // Paths are looked up on the host's disks, which may be slow.
    let judge = move || match route {
        Route::SwarmInit => swarm::choose_expiry(&copy),
        route => mounts::check(route, &copy, &policy),
    };
    let verdict = tokio::task::spawn_blocking(judge).await;
    let (bytes, changed) = match verdict {
        Ok(Verdict::Pass) => (bytes, false),
        Ok(Verdict::Rewrite(changed)) => (changed.into(), true),
        Ok(Verdict::Refuse(message)) => {
            return Checked::Refuse(StatusCode::BAD_REQUEST, message, answer::empty());
        }
        Err(error) => {
            tracing::error!(%error, "the mounts of a request could not be checked");
            let message = "the mounts of this request could not be checked; see `coracle logs`";
            return Checked::Refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                message.into(),
                answer::empty(),
            );
        }
    };
    let publish_on = *context.publish_on.borrow();
    let placed = match publish_on.filter(|_| route == Route::ContainerCreate) {
        Some(address) => ports::place(context, bytes, address).await,
        None => Ok(bytes),
    };
    match placed {
        Ok(bytes) => {
            let mut request = with_body(parts, bytes);
            if changed && route == Route::SwarmInit {
                request.extensions_mut().insert(swarm::RenewAfter);
            }
            Checked::Pass(request)
        }
        Err((status, message)) => Checked::Refuse(status, message, answer::empty()),
    }
}

fn with_body(mut parts: Parts, bytes: bytes::Bytes) -> Request<Body> {
    parts.headers.remove(TRANSFER_ENCODING);
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Request::from_parts(parts, answer::full(bytes))
}
