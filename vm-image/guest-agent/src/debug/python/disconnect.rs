//! A debugger that leaves without a word must not leave the process at its breakpoint.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, split};
use tokio::net::TcpStream;

/// The request with which a client of the debug adapter protocol leaves and lets the process go on.
/// Its number is beyond what clients count to.
const LEAVE: &str = r#"{"seq":2000000000,"type":"request","command":"disconnect","arguments":{"terminateDebuggee":false}}"#;

/// Copies both ways until either end has gone; then says goodbye to debugpy.
pub(crate) async fn relay(stream: DuplexStream, socket: TcpStream) -> io::Result<()> {
    let (mut client, mut to_client) = split(stream);
    let (mut debugpy, mut to_debugpy) = socket.into_split();
    let answers = async {
        let copied = tokio::io::copy(&mut debugpy, &mut to_client).await;
        let _ = to_client.shutdown().await;
        copied.map(drop)
    };
    let requests = async {
        let mut buffer = vec![0; 16 << 10];
        // A client that was cut off reads as one that has ended.
        while let Ok(length @ 1..) = client.read(&mut buffer).await {
            to_debugpy.write_all(&buffer[..length]).await?;
        }
        let leave = format!("Content-Length: {}\r\n\r\n{LEAVE}", LEAVE.len());
        to_debugpy.write_all(leave.as_bytes()).await?;
        to_debugpy.shutdown().await
    };
    tokio::try_join!(answers, requests).map(drop)
}
