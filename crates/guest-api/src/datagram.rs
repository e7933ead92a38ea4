//! Datagrams on a stream: length in bytes (u16, big endian), then the payload.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest payload, in bytes.
pub const MAX_DATAGRAM: usize = u16::MAX as usize;

/// Writes one datagram and flushes; `InvalidInput` when it is over [`MAX_DATAGRAM`].
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), payload: &[u8]) -> io::Result<()> {
    let length = u16::try_from(payload.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "datagram too long"))?;
    let mut frame = Vec::with_capacity(2 + payload.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Reads one datagram into `buffer` (of [`MAX_DATAGRAM`] bytes) and returns its length;
/// `None` at the stream's end.
pub async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
) -> io::Result<Option<usize>> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = u16::from_be_bytes(length) as usize;
    let payload = buffer
        .get_mut(..length)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "buffer too short"))?;
    stream.read_exact(payload).await?;
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn empty_and_longest_datagrams_keep_their_borders() {
        let (mut a, mut b) = tokio::io::duplex(1 << 20);
        write(&mut a, &[]).await.unwrap();
        write(&mut a, &vec![7; MAX_DATAGRAM]).await.unwrap();
        assert!(write(&mut a, &vec![7; MAX_DATAGRAM + 1]).await.is_err());
        drop(a);
        let mut buffer = vec![0; MAX_DATAGRAM];
        assert_eq!(read(&mut b, &mut buffer).await.unwrap(), Some(0));
        assert_eq!(read(&mut b, &mut buffer).await.unwrap(), Some(MAX_DATAGRAM));
        assert_eq!(read(&mut b, &mut buffer).await.unwrap(), None);
    }
}
