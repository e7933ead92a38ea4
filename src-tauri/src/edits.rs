//! Edits on their way into containers, for the page.

use coracle_daemon_api::{ApiError, Client, WatchLine, WatchRequest};
use serde::Serialize;

use crate::controller::failed;

/// What the page gets of edits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "piece")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum EditPiece {
    /// A step of an edit, or who is watched.
    Step {
        /// In the daemon's words.
        line: WatchLine,
    },
    /// Nothing more comes.
    End {
        /// Why, if it is not as it should be.
        error: Option<String>,
    },
}

/// Sends the edits of all containers that mount files of this host, until `to` fails.
pub(crate) async fn follow(
    client: Client,
    to: impl Fn(EditPiece) -> Result<(), ApiError> + Send + Sync + 'static,
) {
    let each = |line| to(EditPiece::Step { line }).is_ok();
    let ended = client.watch(&WatchRequest::default(), each).await;
    let error = ended.err().map(|error| failed(&error).message);
    let _ = to(EditPiece::End { error });
}
