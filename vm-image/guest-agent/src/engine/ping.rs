//! Asking dockerd whether its API is up.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// dockerd accepts connections long before it answers; a question is given up after this.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether `GET /_ping` on the socket is answered with 200.
pub(super) async fn answers(socket: &str) -> bool {
    let asked = tokio::time::timeout(PATIENCE, ask(socket)).await;
    matches!(asked, Ok(Ok(status)) if is_success(&status))
}

/// The first bytes of the answer.
async fn ask(socket: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).await?;
    stream
        .write_all(b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn is_success(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200 ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_200_is_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = path.to_str().unwrap();
        assert!(!answers(socket).await);
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nOK", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            ("", false),
        ] {
            let (outcome, ()) = tokio::join!(answers(socket), async {
                let (mut peer, _) = listener.accept().await.unwrap();
                let mut request = [0; 256];
                let length = peer.read(&mut request).await.unwrap();
                assert!(request[..length].starts_with(b"GET /_ping "));
                peer.write_all(text.as_bytes()).await.unwrap();
            });
            assert_eq!(outcome, expected, "{text}");
        }
    }
}
