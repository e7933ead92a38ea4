//! Follows the daemon: whether it is there, and all that it tells.

use std::time::Duration;

use coracle_daemon_api::{Client, ClientError, DaemonNews};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{sleep, timeout};

use crate::view::Link;

/// A daemon that listens answers its hello at once; one that does not in this time hangs.
const HELLO: Duration = Duration::from_secs(10);

/// Between two hellos of a connection that is silent otherwise: a daemon that hangs does not say so.
const BEAT: Duration = Duration::from_secs(10);

/// Between two attempts to connect, growing.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// What there is to tell of the daemon.
#[derive(Debug)]
pub(crate) enum News {
    /// It has told what it knows, now or after a change.
    Told(Box<DaemonNews>),
    /// It cannot be asked.
    Lost(Link),
}

/// Tells `news` of the daemon until nobody listens.
pub(crate) async fn follow(client: Client, news: UnboundedSender<News>) {
    let mut pause = FIRST;
    while !news.is_closed() {
        match hello(&client).await {
            Ok(()) => {
                pause = FIRST;
                tokio::select! {
                    _ = client.events(|told| news.send(News::Told(Box::new(told))).is_ok()) => {}
                    () = silence(&client) => {}
                }
            }
            Err(link) => {
                let _ = news.send(News::Lost(link));
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Ends when the daemon does not answer any more.
async fn silence(client: &Client) {
    loop {
        sleep(BEAT).await;
        if hello(client).await.is_err() {
            return;
        }
    }
}

async fn hello(client: &Client) -> Result<(), Link> {
    match timeout(HELLO, client.hello()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error @ (ClientError::NotRunning(_) | ClientError::Broken(_)))) => {
            tracing::debug!(%error, "no daemon");
            Err(Link::Gone {
                message: "The daemon does not run. Start starts it.".into(),
            })
        }
        Ok(Err(error @ (ClientError::OtherVersion(_) | ClientError::Protocol(_)))) => {
            Err(Link::Foreign {
                message: sentence(&error.to_string()),
            })
        }
        Ok(Err(ClientError::Api(error))) => Err(Link::Silent {
            message: sentence(&error.message),
        }),
        Err(_) => Err(Link::Silent {
            message: format!(
                "The daemon has said nothing for {} s. It goes on by itself if it can; \
                 else end its process (`pkill -KILL -u $USER coracled`) and start again.",
                HELLO.as_secs()
            ),
        }),
    }
}

/// With a capital and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let stop = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{stop}", first.unwrap_or_default(), letters.as_str())
}
