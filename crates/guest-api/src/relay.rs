//! Copies between two byte streams, half-close kept.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

/// Size of the buffer of each direction at first, in bytes: thousands of connections that say
/// little should take little.
const FIRST_BUFFER: usize = 4 << 10;

/// What a direction that fills its buffer comes to, in bytes.
const BUFFER: usize = 64 << 10;

/// Copies both ways until both directions have ended.
///
/// The end of one side is passed on as a half-close. When one side can no longer be written
/// to, that direction ends alone: what the other still has to say arrives. A failure to
/// read is returned at once; the caller then drops both, which resets them.
pub async fn both_ways(
    a: impl AsyncRead + AsyncWrite + Unpin,
    b: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<()> {
    let (a_read, a_write) = split(a);
    let (b_read, b_write) = split(b);
    tokio::try_join!(one_way(a_read, b_write), one_way(b_read, a_write))?;
    Ok(())
}

/// Copies to the end of `from` and passes it on as a half-close, or until `to` can no longer be
/// written to, which is no error.
pub async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut buffer = vec![0; FIRST_BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            // The other side may have closed already: nothing is lost then.
            let _ = to.shutdown().await;
            return Ok(());
        }
        let written = match to.write_all(&buffer[..count]).await {
            Ok(()) => to.flush().await,
            failed => failed,
        };
        if written.is_err() {
            return Ok(());
        }
        if count == buffer.len() && count < BUFFER {
            buffer = vec![0; 2 * count];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[tokio::test]
    async fn an_answer_after_the_half_close_arrives() {
        let (mut client, a) = duplex(64);
        let (b, mut server) = duplex(64);
        let relay = tokio::spawn(both_ways(a, b));
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "question");
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        relay.await.unwrap().unwrap();
    }

    /// As `yes | docker run -i … head -1`: the engine stops reading, its last words count.
    #[tokio::test]
    async fn a_side_that_stops_reading_is_still_heard() {
        struct Deaf(io::Cursor<Vec<u8>>);
        impl AsyncRead for Deaf {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
            }
        }
        impl AsyncWrite for Deaf {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                _: &[u8],
            ) -> std::task::Poll<io::Result<usize>> {
                std::task::Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }
            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }
        }
        let (mut client, a) = duplex(64);
        client.write_all(b"y\ny\ny\n").await.unwrap();
        let relay = tokio::spawn(both_ways(a, Deaf(io::Cursor::new(vec![b'y'; 100_000]))));
        let mut last = Vec::new();
        client.read_to_end(&mut last).await.unwrap();
        assert_eq!(last.len(), 100_000);
        relay.await.unwrap().unwrap();
    }
}
