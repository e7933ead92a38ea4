use super::*;
use tokio::sync::mpsc;

#[tokio::test]
async fn a_connection_serves_many_requests_each_on_its_own_stream() {
    let (heads, mut seen) = mpsc::unbounded_channel();
    let bed = Bed::new(move |mut stream| {
        let heads = heads.clone();
        async move {
            heads.send(head(&mut stream).await).unwrap();
            let answer = "HTTP/1.1 200 OK\r\nAPI-Version: 1.45\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let mut client = bed.client().await;
    for _ in 0..2 {
        let request = "GET /v1.45/info HTTP/1.1\r\nHost: api.moby.localhost\r\n\
             X-Registry-Auth: e30=\r\nConnection: keep-alive\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        let response = until(&mut client, "\r\n\r\nOK").await;
        assert!(response.contains("API-Version: 1.45\r\n"), "{response}");
        assert!(!response.to_lowercase().contains("connection: close"));
        let passed = seen.recv().await.unwrap();
        assert!(passed.starts_with("GET /v1.45/info HTTP/1.1\r\n"));
        assert!(passed.contains("Host: api.moby.localhost\r\n"), "{passed}");
        assert!(passed.contains("X-Registry-Auth: e30=\r\n"), "{passed}");
        assert!(!passed.to_lowercase().contains("keep-alive"), "{passed}");
    }
}

#[tokio::test]
async fn a_head_request_keeps_the_length_it_does_not_send() {
    let bed = Bed::answering("HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 2\r\n\r\n");
    let response = bed.ask("HEAD /_ping HTTP/1.1\r\nHost: d\r\n\r\n").await;
    assert!(response.contains("Content-Length: 2\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn a_chunk_arrives_before_the_next_is_made() {
    let (go_on, wait) = watch::channel(0);
    let bed = Bed::new(move |mut stream| {
        let mut wait = wait.clone();
        async move {
            head(&mut stream).await;
            let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(start.as_bytes()).await.unwrap();
            for number in 0..3 {
                wait.wait_for(|reached| *reached >= number).await.unwrap();
                let line = format!("5\r\nline{number}\r\n");
                stream.write_all(line.as_bytes()).await.unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
    });
    let mut client = bed.client().await;
    client
        .write_all(b"GET /containers/a/logs?follow=1 HTTP/1.1\r\nHost: d\r\n\r\n")
        .await
        .unwrap();
    for number in 0..3 {
        until(&mut client, &format!("line{number}")).await;
        go_on.send_replace(number + 1);
    }
    until(&mut client, "0\r\n\r\n").await;
}

#[tokio::test]
async fn a_response_without_a_length_ends_with_the_engine() {
    let bed = Bed::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nhello",
    );
    let response = bed.ask("POST /containers/a/attach HTTP/1.0\r\n\r\n").await;
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
}

#[tokio::test]
async fn a_long_upload_is_not_collected() {
    let (count, mut counted) = mpsc::unbounded_channel();
    let bed = Bed::new(move |mut stream| {
        let count = count.clone();
        async move {
            let head = head(&mut stream).await;
            assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
            // Reads nothing until the sender has stalled.
            let () = tokio::time::sleep(Duration::from_millis(500)).await;
            count.send(()).unwrap();
            until(&mut stream, "0\r\n\r\n").await;
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nread";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let client = bed.client().await;
    let (mut read, mut write) = client.into_split();
    let start = "POST /images/load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n";
    write.write_all(start.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0;
    while timeout(
        Duration::from_millis(300),
        write.write_all(chunk.as_bytes()),
    )
    .await
    .is_ok()
    {
        sent += chunk.len();
        assert!(sent < 32 << 20, "{sent} bytes were taken and not passed on");
    }
    timeout(SOON, counted.recv()).await.unwrap();
    // The write that timed out stopped somewhere inside a chunk: only its end is unknown.
    drop(write);
    let _ = timeout(SOON, read.read_u8()).await.unwrap();
}

#[tokio::test]
async fn expect_continue_is_answered_and_the_body_follows() {
    let bed = Bed::new(|mut stream| async move {
        let head = head(&mut stream).await.to_lowercase();
        assert!(!head.contains("expect"), "{head}");
        until(&mut stream, "body").await;
        let answer = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let mut client = bed.client().await;
    let start = "PUT /containers/a/archive?path=/ HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n\
         Expect: 100-continue\r\n\r\n";
    client.write_all(start.as_bytes()).await.unwrap();
    assert!(head(&mut client).await.starts_with("HTTP/1.1 100 "));
    client.write_all(b"body").await.unwrap();
    assert!(head(&mut client).await.starts_with("HTTP/1.1 201 "));
}

#[tokio::test]
async fn trailers_pass() {
    let bed = Bed::answering(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let response = bed
        .ask("GET /x HTTP/1.1\r\nHost: d\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
        .await
        .to_lowercase();
    assert!(response.contains("\r\nx-sum: 7\r\n"), "{response}");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_a_silent_stream() {
    let (gone, mut seen) = mpsc::unbounded_channel();
    let bed = Bed::new(move |mut stream| {
        let gone = gone.clone();
        async move {
            head(&mut stream).await;
            let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
            stream.write_all(start.as_bytes()).await.unwrap();
            ended(&mut stream).await;
            gone.send(()).unwrap();
        }
    });
    let mut client = bed.client().await;
    let request = "GET /events HTTP/1.1\r\nHost: d\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    until(&mut client, "1\r\nx\r\n").await;
    drop(client);
    timeout(SOON, seen.recv())
        .await
        .expect("the engine was not told");
}

#[tokio::test]
async fn a_client_that_ends_its_side_still_gets_a_late_answer() {
    let bed = Bed::new(|mut stream| async move {
        head(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate";
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let response = bed
        .ask("POST /containers/a/wait HTTP/1.1\r\nHost: d\r\n\r\n")
        .await;
    assert!(response.ends_with("late"), "{response}");
}
