//! One JSON message: length in bytes (u32, big endian), then the JSON text.

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest message either end accepts, in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;

/// Why a message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The stream failed or ended inside a message.
    #[error("the stream failed: {0}")]
    Io(#[from] std::io::Error),
    /// The announced length is over [`MAX_MESSAGE`].
    #[error("a message of {0} bytes is over the limit of {MAX_MESSAGE}")]
    TooLong(usize),
    /// The bytes are not the JSON that was expected.
    #[error("the message is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// Encodes one message, length included.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, MessageError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > MAX_MESSAGE {
        return Err(MessageError::TooLong(length));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(bytes)
}

/// Decodes the JSON text of one message (without its length).
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    Ok(serde_json::from_slice(bytes)?)
}

/// Writes one message and flushes.
pub async fn write<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> Result<(), MessageError> {
    stream.write_all(&encode(message)?).await?;
    stream.flush().await?;
    Ok(())
}

/// Reads one message. `Ok(None)` when the stream ended before its first byte.
pub async fn read<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>, MessageError> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_MESSAGE {
        return Err(MessageError::TooLong(length));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    decode(&bytes).map(Some)
}

/// Reads one message where the end of the stream is an error too.
pub async fn expect<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<T, MessageError> {
    match read(stream).await? {
        Some(message) => Ok(message),
        None => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_survives_the_way() {
        let (mut a, mut b) = tokio::io::duplex(16);
        let sent = vec!["x".repeat(100), "é".into()];
        let copy = sent.clone();
        let writer = tokio::spawn(async move { write(&mut a, &copy).await });
        let got: Vec<String> = expect(&mut b).await.unwrap();
        writer.await.unwrap().unwrap();
        assert_eq!(got, sent);
        assert!(read::<String>(&mut b).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn lengths_are_bounded_and_truncation_is_an_error() {
        let mut long: &[u8] = &[0xff, 0xff, 0xff, 0xff, 1];
        assert!(matches!(
            read::<String>(&mut long).await,
            Err(MessageError::TooLong(_))
        ));
        let mut short: &[u8] = &[0, 0, 0, 9, b'"'];
        assert!(matches!(
            read::<String>(&mut short).await,
            Err(MessageError::Io(_))
        ));
        let mut other: &[u8] = &[0, 0, 0, 1, b'{'];
        assert!(matches!(
            read::<String>(&mut other).await,
            Err(MessageError::Malformed(_))
        ));
    }
}
