use coracle_daemon_api::{ApiError, Progress};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::answer::{Answer, lines};
use super::{Daemon, ended};
use crate::event::{ProgressSender, Request};

/// Starts a long action and answers with its progress. It goes on when the client leaves.
pub(super) async fn answer(
    daemon: &Daemon,
    request: impl FnOnce(ProgressSender) -> Request,
) -> Result<Answer, ApiError> {
    let (sender, progress) = mpsc::unbounded_channel();
    daemon.send(request(sender)).await?;
    let told = stream::unfold(progress, |mut progress| async {
        Some((progress.recv().await?, progress))
    });
    // The loop has a last word for everyone, unless it is gone.
    let last = stream::once(async { Progress::Failed { error: ended() } });
    let mut over = false;
    Ok(lines(told.chain(last).take_while(move |progress| {
        let go_on = !over;
        over = !matches!(progress, Progress::Stage { .. });
        std::future::ready(go_on)
    })))
}
