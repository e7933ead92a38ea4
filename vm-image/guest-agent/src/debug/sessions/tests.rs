use std::sync::Arc;

use coracle_guest_api::StreamHeader;
use coracle_guest_api::mux::{self, End, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;

const TOKEN: SessionToken = [7; 16];

/// A transport; it ends when `daemon` and `agent` are dropped.
struct Transport {
    host: Opener,
    guest: Opener,
    daemon: Incoming,
    agent: Incoming,
}

impl Transport {
    fn new() -> Self {
        let (near, far) = duplex(1 << 16);
        let (host, daemon) = mux::start(near, End::Host);
        let (guest, agent) = mux::start(far, End::Guest);
        Self {
            host,
            guest,
            daemon,
            agent,
        }
    }

    /// A stream of the daemon, and the agent's end of it.
    async fn line(&mut self) -> (MuxStream, Line) {
        let mut stream = self.host.begin(&StreamHeader::Events).await.unwrap();
        stream.write_all(b"-").await.unwrap();
        let mut accepted = self.agent.accept().await.unwrap();
        let _: StreamHeader = message::expect(&mut accepted).await.unwrap();
        accepted.read_u8().await.unwrap();
        let line = Line {
            stream: accepted,
            transport: Some(self.guest.clone()),
        };
        (stream, line)
    }

    async fn end(self) {
        drop((self.daemon, self.agent));
        self.guest.ended().await;
        self.host.ended().await;
    }
}

/// A session with a process at its other end.
fn join(sessions: &Arc<Sessions>, line: Line) -> (DuplexStream, JoinHandle<()>) {
    let (process, debugged) = duplex(64);
    let sessions = sessions.clone();
    let joined = tokio::spawn(async move {
        sessions.join(TOKEN, line, debugged).await.unwrap();
    });
    (process, joined)
}

/// Carries until the word of each has reached the other.
async fn exchange(
    client: &mut Resumable<DuplexStream>,
    gdb: &mut DuplexStream,
    stream: MuxStream,
    process: &mut DuplexStream,
) {
    let (mut by_process, mut by_gdb) = ([0; 4], [0; 4]);
    let heard = async {
        tokio::try_join!(
            process.read_exact(&mut by_process),
            gdb.read_exact(&mut by_gdb)
        )
    };
    tokio::select! {
        carried = client.carry(stream) => panic!("{carried:?}"),
        heard = heard => drop(heard.unwrap()),
    }
    assert_eq!((&by_process, &by_gdb), (b"word", b"stop"));
}

#[tokio::test]
async fn a_session_goes_on_over_another_transport() {
    let sessions = Arc::new(Sessions::default());
    let (mut gdb, connection) = duplex(64);
    let mut client = Resumable::new(connection);
    let mut transport = Transport::new();
    let (stream, line) = transport.line().await;
    let (mut process, joined) = join(&sessions, line);
    gdb.write_all(b"word").await.unwrap();
    process.write_all(b"stop").await.unwrap();
    exchange(&mut client, &mut gdb, stream, &mut process).await;
    for _ in 0..3 {
        // Said while the transport is still there, or not any more.
        process.write_all(b"stop").await.unwrap();
        transport.end().await;
        gdb.write_all(b"word").await.unwrap();
        transport = Transport::new();
        let (mut stream, line) = transport.line().await;
        assert!(sessions.go_on(TOKEN, line).await.is_ok());
        let reply: StreamReply = message::expect(&mut stream).await.unwrap();
        assert!(matches!(reply, StreamReply::Ok { .. }));
        exchange(&mut client, &mut gdb, stream, &mut process).await;
    }
    assert!(!joined.is_finished());
    joined.abort();
}

#[tokio::test(start_paused = true)]
async fn a_process_is_let_go_when_nobody_comes_back() {
    let sessions = Arc::new(Sessions::default());
    let mut transport = Transport::new();
    let (_stream, line) = transport.line().await;
    let (mut process, joined) = join(&sessions, line);
    transport.end().await;
    assert_eq!(process.read(&mut [0]).await.unwrap(), 0);
    joined.await.unwrap();
    let mut transport = Transport::new();
    let (_stream, line) = transport.line().await;
    assert!(sessions.go_on(TOKEN, line).await.is_err(), "it is over");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_alone_ends_its_session() {
    let sessions = Arc::new(Sessions::default());
    let mut transport = Transport::new();
    let (stream, line) = transport.line().await;
    let (mut process, joined) = join(&sessions, line);
    let begun = tokio::time::Instant::now();
    drop(stream);
    assert_eq!(process.read(&mut [0]).await.unwrap(), 0);
    joined.await.unwrap();
    assert!(begun.elapsed() < BACK_WITHIN);
}
