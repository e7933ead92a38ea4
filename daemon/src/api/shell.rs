use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_guest_api::exec::ExecRequest;
use coracle_guest_api::mux::MuxStream;
use coracle_guest_api::{StreamHeader, relay};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::TokioIo;

use super::Daemon;
use super::answer::{Answer, body};
use crate::event::Request;

const PROTOCOL: HeaderValue = HeaderValue::from_static("coracle-exec");

/// Starts a process in the guest; after the answer the client's frames go to the agent and back.
pub(super) async fn answer(
    daemon: &Daemon,
    mut request: HttpRequest<Incoming>,
) -> Result<Answer, ApiError> {
    if request.headers().get(UPGRADE) != Some(&PROTOCOL) {
        return Err(ApiError::new(
            ErrorCode::InvalidInput,
            "a shell needs `Upgrade: coracle-exec`",
        ));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let exec: ExecRequest = body(request.into_body()).await?;
    let opener = daemon.ask(Request::Agent).await??;
    let (stream, _) = opener
        .open(&StreamHeader::Exec(exec))
        .await
        .map_err(|error| {
            let message = format!("the guest did not start the program: {error}");
            ApiError::new(ErrorCode::VmFailed, message)
        })?;
    tokio::spawn(bridge(upgrade, stream));
    let mut answer = Response::new(Empty::new().boxed_unsync());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, PROTOCOL);
    Ok(answer)
}

/// Until both sides have ended, or one has broken off.
async fn bridge(upgrade: OnUpgrade, stream: MuxStream) {
    match upgrade.await {
        Ok(client) => {
            if let Err(error) = relay::both_ways(TokioIo::new(client), stream).await {
                tracing::debug!(%error, "a shell was broken off");
            }
        }
        Err(error) => tracing::debug!(%error, "a shell's client went before it began"),
    }
}
