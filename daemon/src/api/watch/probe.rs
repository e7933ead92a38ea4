//! What a port answers to `GET /`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long one answer may take: at first, when others wait for it too, and later.
const FIRST_WITHIN: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(2);

/// Between two questions, at first and in the end.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The longest of a port that has never answered: it may be a database's.
const SILENT_PAUSE: Duration = Duration::from_secs(2);

/// The longest body that counts, in bytes.
const LONGEST: usize = 4 << 20;

/// Finds where to ask: a container that is restarted can have another address and port.
type Find = Box<dyn Fn() -> Option<SocketAddr> + Send + Sync>;

/// A port and its last answer.
pub(super) struct Probe {
    find: Find,
    last: Mutex<Last>,
    before: Mutex<Last>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Unknown,
    /// No HTTP, or nobody there.
    Silent,
    /// A hash of it.
    Answer(u64),
    /// Another one each time.
    Restless,
}

impl Probe {
    pub(super) fn new(find: Find) -> Self {
        Self {
            find,
            last: Mutex::new(Last::Unknown),
            before: Mutex::new(Last::Unknown),
        }
    }

    /// Where it is now.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        (self.find)()
    }

    /// Whether it is known what it answered, always the same, before the last [`changed`](Self::changed).
    pub(super) fn can_tell(&self) -> bool {
        matches!(*super::lock(&self.before), Last::Answer(_))
    }

    /// Finds out what it answers now.
    pub(super) async fn learn(&self) {
        let now = match self.ask(FIRST_WITHIN).await {
            None => Last::Silent,
            Some(first) => match self.ask(FIRST_WITHIN).await {
                Some(second) if first == second => Last::Answer(first),
                Some(_) => Last::Restless,
                None => Last::Silent,
            },
        };
        self.set(now);
    }

    /// Waits for an answer that is another one than the last, or for any after none.
    pub(super) async fn changed(&self) {
        let mut pause = PAUSE;
        let before = self.last();
        *super::lock(&self.before) = before;
        let mut silent = before == Last::Silent;
        let longest = if silent { SILENT_PAUSE } else { LONGEST_PAUSE };
        loop {
            match (self.ask(WITHIN).await, self.last()) {
                (None, _) => silent = true,
                // It cannot tell of a save, also after it was away.
                (Some(_), Last::Restless) => {}
                (Some(now), _) if silent => return self.set(Last::Answer(now)),
                (Some(now), Last::Answer(before)) if now != before => {
                    return self.set(Last::Answer(now));
                }
                (Some(now), Last::Unknown | Last::Silent) => self.set(Last::Answer(now)),
                (Some(_), Last::Answer(_)) => {}
            }
            sleep(pause).await;
            pause = (pause * 5 / 4).min(longest);
        }
    }

    /// A hash of status and body.
    async fn ask(&self, within: Duration) -> Option<u64> {
        let asked = timeout(within, async {
            let address = self.address()?;
            let stream = TcpStream::connect(address).await.ok()?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
            // Ended with the question.
            let mut driver = JoinSet::new();
            driver.spawn(connection);
            let request = Request::get("/")
                .header("host", address.to_string())
                .header("user-agent", "coracle-watch")
                .body(Empty::<Bytes>::new())
                .ok()?;
            let answer = sender.send_request(request).await.ok()?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LONGEST).collect().await;
            let mut hash = DefaultHasher::new();
            (status.as_u16(), body.ok()?.to_bytes()).hash(&mut hash);
            Some(hash.finish())
        });
        asked.await.ok()?
    }

    fn last(&self) -> Last {
        *super::lock(&self.last)
    }

    fn set(&self, last: Last) {
        *super::lock(&self.last) = last;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers every connection with what it is told.
    fn serve(listener: TcpListener, text: Arc<Mutex<String>>) -> JoinSet<()> {
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let text = text.lock().unwrap().clone();
                let _ = stream.read(&mut [0; 1024]).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
                let _ = stream.write_all((head + &text).as_bytes()).await;
            }
        });
        serving
    }

    #[tokio::test]
    async fn a_new_answer_and_one_after_none_are_changes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let text = Arc::new(Mutex::new("one".to_owned()));
        let mut serving = serve(listener, text.clone());
        let probe = Probe::new(Box::new(move || Some(address)));
        probe.learn().await;
        let soon = Duration::from_millis(300);
        assert!(timeout(soon, probe.changed()).await.is_err());
        assert!(probe.can_tell());
        *text.lock().unwrap() = "two".into();
        probe.changed().await;
        assert!(timeout(soon, probe.changed()).await.is_err());
        serving.shutdown().await;
        let (changed, ()) = tokio::join!(timeout(WITHIN * 5, probe.changed()), async {
            sleep(soon).await;
            let listener = TcpListener::bind(address).await.unwrap();
            serving = serve(listener, text.clone());
        });
        changed.unwrap();
    }
}
