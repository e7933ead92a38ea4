use super::*;

fn hello(secret: &str) -> Hello {
    Hello {
        protocol: crate::PROTOCOL_VERSION,
        secret: secret.into(),
        unix_ns: 1,
        daemon_version: "0".into(),
    }
}

fn reply() -> HelloReply {
    HelloReply {
        protocol: crate::PROTOCOL_VERSION,
        agent_version: "0".into(),
        kernel: "6".into(),
        capabilities: vec![],
    }
}

#[tokio::test]
async fn both_ends_agree_over_leftovers_of_an_earlier_daemon() {
    let (mut host, mut guest) = tokio::io::duplex(1 << 16);
    host.write_all(b"rest of a frame CORACLECORACLE")
        .await
        .unwrap();
    guest.write_all(b"late answer").await.unwrap();
    guest.write_all(&MAGIC).await.unwrap();
    guest.write_all(&[9; NONCE]).await.unwrap();
    let agent = tokio::spawn(async move { accept(&mut guest, "s3cret", &reply()).await });
    let answer = connect(&mut host, [7; NONCE], &hello("s3cret"))
        .await
        .unwrap();
    assert_eq!(answer.kernel, "6");
    assert_eq!(agent.await.unwrap().unwrap().unix_ns, 1);
}

#[tokio::test]
async fn a_wrong_secret_gets_no_answer() {
    let (mut host, mut guest) = tokio::io::duplex(1 << 16);
    let agent = tokio::spawn(async move { accept(&mut guest, "s3cret", &reply()).await });
    assert!(
        connect(&mut host, [7; NONCE], &hello("guess"))
            .await
            .is_err()
    );
    assert!(matches!(
        agent.await.unwrap(),
        Err(PreambleError::WrongSecret)
    ));
}

#[tokio::test]
async fn the_daemon_is_silent_until_the_guest_is_there() {
    let (mut host, mut guest) = tokio::io::duplex(1 << 16);
    let daemon =
        tokio::spawn(async move { connect(&mut host, [7; NONCE], &hello("s3cret")).await });
    // What is written now would be lost on a port that nobody has opened.
    let mut byte = [0];
    let early = std::time::Duration::from_millis(50);
    assert!(
        tokio::time::timeout(early, guest.read(&mut byte))
            .await
            .is_err()
    );
    accept(&mut guest, "s3cret", &reply()).await.unwrap();
    daemon.await.unwrap().unwrap();
    // One hello and no more: the multiplexer begins on the next byte.
    assert_eq!(guest.read(&mut byte).await.unwrap(), 0);
}

/// Payload of the multiplexer that looks like a preamble is in flight both ways.
#[tokio::test]
async fn after_a_suspension_only_the_token_counts() {
    let token = [7; NONCE];
    let (mut host, mut guest) = tokio::io::duplex(1 << 16);
    let mut forged = MAGIC.to_vec();
    forged.extend([9; NONCE]);
    forged.extend(message::encode(&hello("guess")).unwrap());
    host.write_all(&forged).await.unwrap();
    let agent =
        tokio::spawn(async move { accept_again(&mut guest, token, "s3cret", &reply()).await });
    let mut announced = [0; READY.len() + NONCE];
    host.read_exact(&mut announced).await.unwrap();
    assert_eq!(announced[..], announcement(&token));
    let answer = reconnect(&mut host, token, &hello("s3cret")).await.unwrap();
    assert_eq!(answer.kernel, "6");
    assert_eq!(agent.await.unwrap().unwrap().unix_ns, 1);
}

#[tokio::test]
async fn an_agent_in_the_middle_of_a_conversation_is_called_back() {
    let (mut host, mut guest) = tokio::io::duplex(1 << 16);
    let token = [3; NONCE];
    guest.write_all(b"of another conversation").await.unwrap();
    let agent = tokio::spawn(async move {
        skip_past(&mut guest, &recall(&token)).await.unwrap();
        guest.write_all(b"its last word").await.unwrap();
        accept_again(&mut guest, token, "s3cret", &reply()).await
    });
    let answer = call_back(&mut host, token, &hello("s3cret")).await.unwrap();
    assert_eq!(answer.kernel, "6");
    agent.await.unwrap().unwrap();
}
