use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";

/// Sends and reads whatever comes, to the end.
async fn throw(bed: &Bed, bytes: &[u8]) -> String {
    let (mut read, mut write) = bed.client().await.into_split();
    let mut answer = Vec::new();
    let both = async {
        tokio::join!(
            async {
                let _ = write.write_all(bytes).await;
                let _ = write.shutdown().await;
            },
            async {
                let _ = read.read_to_end(&mut answer).await;
            }
        )
    };
    timeout(SOON, both).await.expect("it hangs");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn malformed_requests_leave_others_served() {
    let bed = Bed::answering(OK);
    let mut patient = bed.client().await;
    patient.write_all(&PING.as_bytes()[..10]).await.unwrap();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\n{",
        b"POST /x HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\r\n\r\n\0\0\0",
    ] {
        let answer = throw(&bed, bytes).await;
        assert!(!answer.contains(" 200 "), "{answer}");
        assert!(bed.ask(PING).await.ends_with("OK"));
    }
    patient.write_all(&PING.as_bytes()[10..]).await.unwrap();
    until(&mut patient, "OK").await;
}

#[tokio::test]
async fn a_head_of_ten_megabytes_is_refused_and_one_of_half_a_megabyte_taken() {
    let bed = Bed::answering(OK);
    let request = |length| {
        format!(
            "GET /_ping HTTP/1.1\r\nHost: d\r\nX-Registry-Config: {}\r\n\r\n",
            "x".repeat(length)
        )
    };
    let answer = throw(&bed, request(10 << 20).as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    assert!(bed.ask(PING).await.ends_with("OK"));
    assert!(bed.ask(&request(512 << 10)).await.ends_with("OK"));
}

#[tokio::test]
async fn a_create_over_the_limit_is_refused_readably() {
    let bed = Bed::answering(OK);
    let request = format!(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n{}",
        17 << 20,
        " ".repeat(17 << 20)
    );
    let answer = throw(&bed, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#"{"message":"the request is longer than 16 MiB"}"#));
}

#[tokio::test]
async fn three_hundred_clients_at_once() {
    let bed = std::sync::Arc::new(Bed::answering(OK));
    let clients: Vec<_> = (0..300)
        .map(|_| {
            let bed = bed.clone();
            tokio::spawn(async move { bed.ask(PING).await })
        })
        .collect();
    for client in clients {
        assert!(client.await.unwrap().ends_with("OK"));
    }
}
