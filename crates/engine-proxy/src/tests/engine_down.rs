use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";

fn soon() -> EngineAccess {
    EngineAccess::Soon {
        message: "the VM is starting".into(),
    }
}

#[tokio::test]
async fn an_engine_that_is_down_is_said_at_once_in_dockers_form() {
    let bed = Bed::with_access(EngineAccess::Down {
        message: "the VM is stopped; run `coracle start`".into(),
    });
    let response = bed.ask(PING).await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(
        response.contains("Content-Type: application/json\r\n"),
        "{response}"
    );
    assert!(
        response.ends_with(r#"{"message":"the VM is stopped; run `coracle start`"}"#),
        "{response}"
    );
}

#[tokio::test]
async fn a_refusal_reaches_a_client_in_the_middle_of_its_upload() {
    let bed = Bed::with_access(EngineAccess::Down {
        message: "stopped".into(),
    });
    let request = format!(
        "POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: 20000000\r\n\r\n{}",
        "x".repeat(20_000_000)
    );
    assert!(bed.ask(&request).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn a_client_waits_for_an_engine_that_comes_up() {
    let bed = Bed::with_access(soon());
    let (opener, _wishes) = guest(|mut stream| async move {
        head(&mut stream).await;
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let (response, ()) = tokio::join!(bed.ask(PING), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        bed.access.send_replace(EngineAccess::Ready(opener));
    });
    assert!(response.ends_with("OK"), "{response}");
}

#[tokio::test]
async fn the_wait_has_an_end_and_a_reason() {
    let bed = Bed::with_access(soon());
    let response = bed.ask(PING).await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.ends_with(r#"{"message":"the VM is starting"}"#));
}

#[tokio::test]
async fn a_transport_that_has_ended_is_not_waited_for_without_bound() {
    let (opener, wishes) = guest(|_| async {});
    drop(wishes);
    let bed = Bed::with_access(EngineAccess::Ready(opener));
    assert!(bed.ask(PING).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn an_engine_that_restarts_is_asked_again() {
    let (host_io, guest_io) = tokio::io::duplex(64 << 10);
    let (opener, _wishes) = mux::start(host_io, End::Host);
    let (_, mut incoming) = mux::start(guest_io, End::Guest);
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Some(mut stream) = incoming.accept().await {
            let _: StreamHeader = message::expect(&mut stream).await.unwrap();
            if count.fetch_add(1, Ordering::Relaxed) < 3 {
                let error = AgentError::new(AgentErrorCode::EngineDown, "dockerd restarts");
                let reply = StreamReply::Err(error);
                message::write(&mut stream, &reply).await.unwrap();
                stream.shutdown().await.unwrap();
                continue;
            }
            message::write(&mut stream, &StreamReply::OK).await.unwrap();
            head(&mut stream).await;
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let bed = Bed::with_access(EngineAccess::Ready(opener));
    assert!(bed.ask(PING).await.ends_with("OK"));
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn an_engine_that_dies_before_it_answers_is_a_bad_gateway() {
    let bed = Bed::new(|mut stream| async move {
        head(&mut stream).await;
    });
    let response = bed.ask(PING).await;
    assert!(response.starts_with("HTTP/1.1 502 "), "{response}");
    assert!(
        response.contains(r#"{"message":"the engine ended the connection before it answered"#),
        "{response}"
    );
}

#[tokio::test]
async fn an_engine_that_dies_within_its_answer_cuts_the_client() {
    let bed = Bed::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
    let mut client = bed.client().await;
    client.write_all(PING.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let _ = timeout(SOON, client.read_to_end(&mut response))
        .await
        .expect("cut");
    assert!(!response.ends_with(b"0\r\n\r\n"), "it looks whole");
}
