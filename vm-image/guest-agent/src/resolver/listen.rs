//! The sockets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::Answers;
use super::forward::write_framed;
use super::wire::Over;

/// Queries at once; one more is not heard, and its client asks again.
const QUERIES: usize = 512;

/// Connections at once; one more waits.
const CONNECTIONS: usize = 64;

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// Pause after a socket failed, as it does for lack of memory.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Listens on both, and serves on tasks of its own. The address that it listens on.
pub(super) async fn start(address: SocketAddr, answers: Arc<Answers>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let socket = UdpSocket::bind(address).await?;
    tokio::spawn(datagrams(Arc::new(socket), answers.clone()));
    tokio::spawn(connections(listener, answers));
    Ok(address)
}

async fn datagrams(socket: Arc<UdpSocket>, answers: Arc<Answers>) {
    let permits = Arc::new(Semaphore::new(QUERIES));
    let mut buffer = vec![0; 4096];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!("a query could not be read: {error}");
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            continue;
        };
        let query = buffer[..length].to_vec();
        let (socket, answers) = (socket.clone(), answers.clone());
        tokio::spawn(async move {
            if let Some(answer) = answers.answer(&query, Over::Udp).await {
                // A client that has gone needs none.
                let _ = socket.send_to(&answer, client).await;
            }
            drop(permit);
        });
    }
}

async fn connections(listener: TcpListener, answers: Arc<Answers>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(permit) = permits.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let answers = answers.clone();
                tokio::spawn(async move {
                    // It ends with its client or with its silence.
                    let _ = serve(stream, &answers).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!("a connection could not be taken: {error}");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    loop {
        let query = timeout(SILENCE, async {
            let length = stream.read_u16().await?;
            let mut query = vec![0; length.into()];
            stream.read_exact(&mut query).await?;
            io::Result::Ok(query)
        })
        .await??;
        let Some(answer) = answers.answer(&query, Over::Tcp).await else {
            return Ok(());
        };
        timeout(SILENCE, write_framed(&mut stream, &answer)).await??;
    }
}
