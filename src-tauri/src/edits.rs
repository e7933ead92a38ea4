//! Edits on their way into containers, for the page.

use coracle_daemon_api::{ApiError, Client, WatchLine, WatchRequest};
use serde::Serialize;

use crate::controller::failed;
use crate::followed::Pieces;

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

/// Sends the edits of all containers that mount files of this host, until the page is gone.
pub(crate) async fn follow(client: Client, page: Pieces<EditPiece>) {
    let told = async {
        let request = WatchRequest::default();
        let mut lines = client.watch(&request).await.map_err(|e| failed(&e))?;
        while let Some(line) = lines.next().await.map_err(|e| failed(&e))? {
            page.send(EditPiece::Step { line }).await?;
        }
        Ok::<_, ApiError>(())
    };
    let error = told.await.err().map(|error| error.message);
    // A page that is gone needs no end.
    let _ = page.send(EditPiece::End { error }).await;
}
