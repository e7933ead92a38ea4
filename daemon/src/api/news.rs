//! What happens in the engine, for clients that show it.

use coracle_daemon_api::{ApiError, EngineNews, ErrorCode};
use coracle_engine_client::{Events, Failure};
use futures::stream;
use serde_json::json;

use super::Daemon;
use super::answer::{Answer, lines};

/// What there are lists of.
const TYPES: [&str; 6] = ["container", "image", "network", "node", "service", "volume"];

/// What changes one of the lists. Health checks and commands in containers run all the time, and
/// change none.
const EVENTS: [&str; 19] = [
    "connect",
    "create",
    "delete",
    "destroy",
    "die",
    "disconnect",
    "health_status",
    "import",
    "load",
    "pause",
    "pull",
    "remove",
    "rename",
    "start",
    "stop",
    "tag",
    "unpause",
    "untag",
    "update",
];

/// A line at once and for each piece of news; ends with the engine.
pub(super) async fn answer(daemon: &Daemon) -> Result<Answer, ApiError> {
    // Who looks at containers does not use them, and wakes no VM for it.
    let opener = daemon.guests.present().ok_or_else(no_vm)?.in_background();
    let filters = json!({ "type": TYPES, "event": EVENTS });
    let events = Events::open(&opener, &filters).await.map_err(failed)?;
    let news = stream::unfold((events, 0), |(mut events, count)| async move {
        if count > 0 {
            events.next().await.ok()?;
        }
        Some((EngineNews { count }, (events, count + 1)))
    });
    Ok(lines(news))
}

fn no_vm() -> ApiError {
    ApiError::new(
        ErrorCode::WrongState,
        "the VM does not run: `coracle start` starts it",
    )
}

fn failed(error: Failure) -> ApiError {
    let message = format!("the engine tells no news: {error}");
    ApiError::new(ErrorCode::EngineFailed, message)
}
