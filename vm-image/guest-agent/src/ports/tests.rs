use coracle_guest_api::mux::{self, End, Incoming};
use coracle_guest_api::port::Protocol;
use tokio::io::AsyncWriteExt;

use super::*;

fn request() -> PortRequest {
    PortRequest {
        protocol: Protocol::Tcp,
        host_ip: [0, 0, 0, 0].into(),
        host_port: 8080,
        container_ip: [172, 17, 0, 2].into(),
        container_port: 80,
    }
}

/// A daemon's end, and what the agent opens streams with.
fn daemon() -> (Incoming, Opener, (Opener, Incoming)) {
    let (host, guest) = tokio::io::duplex(4096);
    let (host_opener, host_incoming) = mux::start(host, End::Host);
    let (opener, guest_incoming) = mux::start(guest, End::Guest);
    (host_incoming, opener, (host_opener, guest_incoming))
}

async fn next_request(incoming: &mut Incoming, reply: StreamReply) -> MuxStream {
    let mut stream = incoming.accept().await.unwrap();
    let StreamHeader::Port(asked) = message::expect(&mut stream).await.unwrap() else {
        panic!("another header");
    };
    assert_eq!(asked, request());
    message::write(&mut stream, &reply).await.unwrap();
    stream
}

fn refusal() -> StreamReply {
    StreamReply::Err(AgentError::new(
        AgentErrorCode::AddressInUse,
        "nginx has it",
    ))
}

#[tokio::test]
async fn a_lease_lives_with_its_stand_in() {
    let (mut incoming, opener, _rest) = daemon();
    let openers = watch::Sender::new(Some(opener));
    let degraded = Degraded::default();
    let (mut stand_in, other) = UnixStream::pair().unwrap();
    let held = hold(other, openers.subscribe(), &degraded);
    let scenario = async {
        message::write(&mut stand_in, &request()).await.unwrap();
        let mut lease = next_request(&mut incoming, StreamReply::OK).await;
        assert!(matches!(
            message::expect(&mut stand_in).await.unwrap(),
            StreamReply::Ok { .. }
        ));
        drop(stand_in);
        assert!(lease.read_u8().await.is_err());
    };
    tokio::join!(held, scenario);
}

#[tokio::test]
async fn a_refusal_reaches_the_stand_in() {
    let (mut incoming, opener, _rest) = daemon();
    let openers = watch::Sender::new(Some(opener));
    let degraded = Degraded::default();
    let (mut stand_in, other) = UnixStream::pair().unwrap();
    let held = hold(other, openers.subscribe(), &degraded);
    let scenario = async {
        message::write(&mut stand_in, &request()).await.unwrap();
        next_request(&mut incoming, refusal()).await;
        let StreamReply::Err(error) = message::expect(&mut stand_in).await.unwrap() else {
            panic!("accepted");
        };
        assert_eq!(error.message, "nginx has it");
    };
    tokio::join!(held, scenario);
}

#[tokio::test]
async fn live_leases_are_asked_for_again_after_the_daemon_came_back() {
    let (mut incoming, opener, rest) = daemon();
    let openers = watch::Sender::new(Some(opener));
    let degraded = Degraded::default();
    let (mut stand_in, other) = UnixStream::pair().unwrap();
    let held = hold(other, openers.subscribe(), &degraded);
    let scenario = async {
        message::write(&mut stand_in, &request()).await.unwrap();
        let first = next_request(&mut incoming, StreamReply::OK).await;
        let _: StreamReply = message::expect(&mut stand_in).await.unwrap();
        openers.send_replace(None);
        drop((first, incoming, rest));

        let (mut incoming, opener, _rest) = daemon();
        openers.send_replace(Some(opener));
        let mut changes = degraded.changes();
        next_request(&mut incoming, refusal()).await;
        changes.changed().await.unwrap();
        assert!(degraded.sentences()[0].contains("nginx has it"));
        let _second = next_request(&mut incoming, StreamReply::OK).await;
        changes.wait_for(|all| all.is_empty()).await.unwrap();
        stand_in.shutdown().await.unwrap();
    };
    tokio::join!(held, scenario);
}

#[tokio::test(start_paused = true)]
async fn without_a_daemon_a_request_fails_after_a_bounded_wait() {
    let openers = watch::Sender::new(None);
    let degraded = Degraded::default();
    let (mut stand_in, other) = UnixStream::pair().unwrap();
    let held = hold(other, openers.subscribe(), &degraded);
    let scenario = async {
        message::write(&mut stand_in, &request()).await.unwrap();
        let reply = message::expect(&mut stand_in).await.unwrap();
        assert!(
            matches!(reply, StreamReply::Err(error) if error.message.contains("did not answer"))
        );
    };
    tokio::join!(held, scenario);
}
