use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An echo that answers only after the other side's FIN, as `cat` behind an attach does.
async fn echo_after_eof(mut incoming: Incoming) {
    while let Some(mut stream) = incoming.accept().await {
        tokio::spawn(async move {
            let _: StreamHeader = message::expect(&mut stream).await.unwrap();
            message::write(&mut stream, &StreamReply::OK).await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_all(&all).await.unwrap();
            stream.shutdown().await.unwrap();
        });
    }
}

fn pair() -> ((Opener, Incoming), (Opener, Incoming)) {
    let (host, guest) = tokio::io::duplex(4096);
    (start(host, End::Host), start(guest, End::Guest))
}

#[tokio::test]
async fn ten_megabytes_come_back_after_the_half_close() {
    let ((opener, _incoming), (_guest, guest_incoming)) = pair();
    tokio::spawn(echo_after_eof(guest_incoming));
    let (mut stream, _) = opener.open(&StreamHeader::Engine).await.unwrap();
    let sent: Vec<u8> = (0..10_000_000u32).map(|i| i as u8).collect();
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert!(back == sent);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_stalls_only_itself() {
    let ((opener, _incoming), (_guest, mut guest_incoming)) = pair();
    let held = tokio::spawn(async move {
        let mut first = guest_incoming.accept().await.unwrap();
        let _: StreamHeader = message::expect(&mut first).await.unwrap();
        message::write(&mut first, &StreamReply::OK).await.unwrap();
        echo_after_eof(guest_incoming).await;
        drop(first);
    });
    let (mut stalled, _) = opener.open(&StreamHeader::Engine).await.unwrap();
    let writer = tokio::spawn(async move { stalled.write_all(&vec![0; 4 << 20]).await });
    let (mut other, _) = opener.open(&StreamHeader::Engine).await.unwrap();
    other.write_all(b"through").await.unwrap();
    other.shutdown().await.unwrap();
    let mut back = String::new();
    other.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "through");
    assert!(!writer.is_finished());
    writer.abort();
    held.abort();
}

#[tokio::test]
async fn a_refusal_reaches_the_opener_and_the_end_is_noticed() {
    let ((opener, incoming), (_guest, mut guest_incoming)) = pair();
    let guest = tokio::spawn(async move {
        let mut stream = guest_incoming.accept().await.unwrap();
        let _: StreamHeader = message::expect(&mut stream).await.unwrap();
        let error = AgentError::new(AgentErrorCode::EngineDown, "not yet");
        message::write(&mut stream, &StreamReply::Err(error))
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        guest_incoming
    });
    let error = opener.open(&StreamHeader::Engine).await.unwrap_err();
    assert_eq!(error.code(), AgentErrorCode::EngineDown);
    drop(guest.await.unwrap());
    drop(incoming);
    opener.ended().await;
    assert!(matches!(
        opener.open(&StreamHeader::Engine).await,
        Err(OpenError::Ended(_))
    ));
}

#[tokio::test]
async fn a_thousand_streams_at_once() {
    let ((opener, _incoming), (_guest, guest_incoming)) = pair();
    tokio::spawn(echo_after_eof(guest_incoming));
    let tasks: Vec<_> = (0..1000u32)
        .map(|i| {
            let opener = opener.clone();
            tokio::spawn(async move {
                let (mut stream, _) = opener.open(&StreamHeader::Engine).await.unwrap();
                stream.write_all(&i.to_be_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
                let mut back = Vec::new();
                stream.read_to_end(&mut back).await.unwrap();
                assert_eq!(back, i.to_be_bytes());
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_burst_waits_for_an_end_that_is_slow_to_accept() {
    let (host, guest) = tokio::io::duplex(1 << 20);
    let (opener, _incoming) = start(host, End::Host);
    let (_guest, guest_incoming) = start(guest, End::Guest);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let opener = opener.clone();
            tokio::spawn(async move { opener.open(&StreamHeader::Engine).await.map(drop) })
        })
        .collect();
    // All of them are on their way before the first one is accepted.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    tokio::spawn(echo_after_eof(guest_incoming));
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_end_that_writes_for_ever_is_told_that_the_stream_was_dropped_after_its_fin() {
    let ((opener, _incoming), (_guest, mut guest_incoming)) = pair();
    let writer = tokio::spawn(async move {
        let mut stream = guest_incoming.accept().await.unwrap();
        let _: StreamHeader = message::expect(&mut stream).await.unwrap();
        message::write(&mut stream, &StreamReply::OK).await.unwrap();
        loop {
            if let Err(error) = stream.write_all(&[0; 4096]).await {
                return (error.kind(), guest_incoming);
            }
        }
    });
    let (mut other, _) = {
        let (mut stream, _) = opener.open(&StreamHeader::Engine).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.read_u8().await.unwrap();
        drop(stream);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), writer).await;
        let (kind, guest_incoming) = ended.expect("it writes on").unwrap();
        assert_eq!(kind, std::io::ErrorKind::BrokenPipe);
        tokio::spawn(echo_after_eof(guest_incoming));
        opener.open(&StreamHeader::Engine).await.unwrap()
    };
    other.write_all(b"through").await.unwrap();
    other.shutdown().await.unwrap();
    let mut back = String::new();
    other.read_to_string(&mut back).await.unwrap();
    assert_eq!(back, "through");
}

#[tokio::test]
async fn a_sleeping_end_is_wanted_by_what_is_written_to_it_but_not_by_the_background() {
    let ((opener, _incoming), (_guest, guest_incoming)) = pair();
    tokio::spawn(echo_after_eof(guest_incoming));
    let background = opener.in_background();
    let (mut quiet, _) = background.open(&StreamHeader::Engine).await.unwrap();
    assert_eq!(opener.activity().pieces(), 0);
    let (mut stream, _) = opener.open(&StreamHeader::Engine).await.unwrap();
    assert_eq!((opener.activity().open(), opener.activity().owed()), (1, 0));
    stream.write_all(b"?").await.unwrap();
    assert_eq!(opener.activity().owed(), 1);
    let pieces = opener.activity().pieces();
    assert!(pieces > 0);
    assert!(!opener.activity().fall_asleep(pieces - 1));
    assert!(opener.activity().fall_asleep(pieces));
    quiet.write_all(b"nobody cares").await.unwrap();
    let mut wanted = std::pin::pin!(opener.activity().wanted());
    assert!(futures::poll!(&mut wanted).is_pending());
    stream.shutdown().await.unwrap();
    assert!(futures::poll!(&mut wanted).is_ready());
    assert_eq!(stream.read_u8().await.unwrap(), b'?');
    assert_eq!((opener.activity().open(), opener.activity().owed()), (1, 0));
    drop(stream);
    assert_eq!(opener.activity().open(), 0);
}
