use super::*;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};

/// An end, with the connection that it carries.
fn end() -> (Resumable<DuplexStream>, DuplexStream) {
    let (local, outer) = duplex(1 << 10);
    (Resumable::new(local), outer)
}

/// One stream after the other, each ended after `turns(leg)` of the scheduler, with what is in it.
async fn carry(
    mut host: Resumable<DuplexStream>,
    mut guest: Resumable<DuplexStream>,
    turns: impl Fn(usize) -> usize,
) -> usize {
    for leg in 1.. {
        let (a, b) = duplex(3 << 10);
        let both = async { tokio::join!(host.carry(a), guest.carry(b)) };
        let cut = async {
            for _ in 0..turns(leg) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            ended = both => {
                assert_eq!(ended, (Ok(Carried::Over), Ok(Carried::Over)));
                return leg;
            }
            () = cut => {}
        }
    }
    unreachable!()
}

fn bytes(count: usize, seed: usize) -> Vec<u8> {
    (0..count)
        .map(|at| (at * 31 + at / 251 + seed) as u8)
        .collect()
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice() {
    for seed in 0..40 {
        let (host, mut client) = end();
        let (guest, mut stub) = end();
        let carrying = tokio::spawn(carry(host, guest, move |leg| 3 + (leg * 7 + seed) % 60));
        let (asked, answered) = (bytes(300_000, seed), bytes(700_000, seed + 1));
        let (question, answer) = (asked.clone(), answered.clone());
        let guest = tokio::spawn(async move {
            let mut heard = Vec::new();
            let (mut from, mut to) = tokio::io::split(&mut stub);
            let (read, written) = tokio::join!(from.read_to_end(&mut heard), async {
                to.write_all(&answer).await?;
                to.shutdown().await
            });
            read.unwrap();
            written.unwrap();
            heard
        });
        let mut heard = Vec::new();
        let (mut from, mut to) = tokio::io::split(&mut client);
        let (read, written) = tokio::join!(from.read_to_end(&mut heard), async {
            to.write_all(&question).await?;
            to.shutdown().await
        });
        read.unwrap();
        written.unwrap();
        assert!(heard == answered, "the answer of {seed}");
        assert!(guest.await.unwrap() == asked, "the question of {seed}");
        assert!(carrying.await.unwrap() > 10, "hardly cut");
    }
}

#[tokio::test]
async fn an_answer_after_the_half_close_arrives() {
    let (host, mut client) = end();
    let (guest, mut stub) = end();
    let carrying = tokio::spawn(carry(host, guest, |leg| leg * 100));
    client.write_all(b"detach").await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = String::new();
    stub.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "detach");
    stub.write_all(b"OK").await.unwrap();
    drop(stub);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "OK");
    carrying.await.unwrap();
}

#[tokio::test]
async fn a_client_that_has_gone_ends_it_whatever_it_is_told() {
    let (host, client) = end();
    let (guest, mut stub) = end();
    drop(client);
    let carrying = tokio::spawn(carry(host, guest, |_| usize::MAX));
    stub.write_all(&bytes(2 * WINDOW, 0)).await.unwrap();
    assert_eq!(stub.read(&mut [0]).await.unwrap(), 0);
    drop(stub);
    carrying.await.unwrap();
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_one_window_and_only_its_own_direction() {
    let (host, mut client) = end();
    let (guest, mut stub) = end();
    let carrying = tokio::spawn(carry(host, guest, |_| usize::MAX));
    let (mut from, mut to) = tokio::io::split(&mut client);
    let sending = async {
        let mut sent = 0;
        loop {
            to.write_all(&[7; 256]).await.unwrap();
            sent += 256;
            assert!(sent < 2 * WINDOW, "nothing holds it up");
        }
    };
    let other_way = async {
        let sent = bytes(3 * WINDOW, 0);
        let mut heard = vec![0; sent.len()];
        let (wrote, read) = tokio::join!(stub.write_all(&sent), from.read_exact(&mut heard));
        wrote.unwrap();
        read.unwrap();
        assert!(heard == sent);
    };
    tokio::select! {
        () = sending => {}
        () = other_way => {}
    }
    carrying.abort();
}

/// What an end makes of these frames, of which it has said nothing itself.
async fn told(frames: &[Frame<'_>]) -> Result<Carried, Violation> {
    let mut told = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut told));
    let (mut end, _client) = end();
    let stream = tokio::io::join(&told[..], tokio::io::sink());
    end.carry(stream).await
}

#[tokio::test]
async fn what_the_other_end_must_not_say_ends_it() {
    let much = vec![0; MAX_PAYLOAD];
    let much: Vec<_> = [Frame::Received(0)]
        .into_iter()
        .chain(std::iter::repeat_n(Frame::Data(&much), 6))
        .collect();
    for (frames, answer) in [
        (&[][..], Ok(Carried::Broken)),
        (&[Frame::Received(0)], Ok(Carried::Broken)),
        (&[Frame::Received(1)], Err(Violation::Offset(1))),
        (
            &[Frame::Received(0), Frame::Received(u64::MAX)],
            Err(Violation::Offset(u64::MAX)),
        ),
        (&[Frame::Data(b"x")], Err(Violation::Mute)),
        (&[Frame::End], Err(Violation::Mute)),
        (
            &[Frame::Received(0), Frame::End, Frame::Data(b"x")],
            Err(Violation::TooMuch),
        ),
        (&much, Err(Violation::TooMuch)),
    ] {
        assert_eq!(told(frames).await, answer, "{frames:.20?}");
    }
}

#[tokio::test]
async fn what_was_received_is_not_asked_for_again() {
    let (mut host, mut client) = end();
    client.write_all(b"abc").await.unwrap();
    let heard = |frames: &[Frame<'_>]| {
        let mut told = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut told));
        let (near, mut far) = duplex(1 << 10);
        async move {
            far.write_all(&told).await.unwrap();
            (near, far)
        }
    };
    let (near, mut far) = heard(&[Frame::Received(0)]).await;
    let mut said = [0; 13 + 8];
    tokio::select! {
        _ = host.carry(near) => panic!("it is not over"),
        read = far.read_exact(&mut said) => drop(read.unwrap()),
    }
    assert_eq!(said[13..], *b"\x00\x00\x00\x00\x03abc");
    let (near, mut far) = heard(&[Frame::Received(2)]).await;
    let mut said = [0; 13 + 6];
    tokio::select! {
        _ = host.carry(near) => panic!("it is not over"),
        read = far.read_exact(&mut said) => drop(read.unwrap()),
    }
    assert_eq!(said[13..], *b"\x00\x00\x00\x00\x01c");
    let (near, _far) = heard(&[Frame::Received(1)]).await;
    assert_eq!(host.carry(near).await, Err(Violation::Offset(1)));
}

#[test]
fn frames_survive_the_way_and_others_do_not() {
    let mut bytes = Vec::new();
    let frames = [Frame::Data(b"word"), Frame::End, Frame::Received(9)];
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    let mut at = 0;
    for frame in frames {
        for cut in 0..5 {
            assert_eq!(Frame::decode(&bytes[at..at + cut]), Ok(None));
        }
        let (decoded, length) = Frame::decode(&bytes[at..]).unwrap().unwrap();
        assert_eq!(decoded, frame);
        at += length;
    }
    assert_eq!(at, bytes.len());
    for wrong in [
        [0, 0, 1, 0, 1],
        [1, 0, 0, 0, 1],
        [2, 0, 0, 0, 7],
        [3, 0, 0, 0, 0],
    ] {
        assert!(Frame::decode(&wrong).is_err(), "{wrong:?}");
    }
}
