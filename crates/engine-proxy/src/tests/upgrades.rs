use super::*;
use tokio::sync::mpsc;

const ATTACH: &str = "POST /v1.45/containers/a/attach?stdin=1&stream=1 HTTP/1.1\r\nHost: d\r\n\
     Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\
     Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

/// As `docker run -i … cat` is, with an output that comes only after the input's end.
async fn cat(mut stream: MuxStream) {
    let head = head(&mut stream).await;
    assert!(head.contains("Connection: Upgrade\r\n"), "{head}");
    assert!(head.contains("Upgrade: tcp\r\n"), "{head}");
    stream.write_all(UPGRADED.as_bytes()).await.unwrap();
    let mut input = Vec::new();
    stream.read_to_end(&mut input).await.unwrap();
    stream.write_all(&input).await.unwrap();
    stream.shutdown().await.unwrap();
}

#[tokio::test]
async fn ten_megabytes_come_back_after_the_input_has_ended() {
    let bed = Bed::new(cat);
    let mut client = bed.client().await;
    client.write_all(ATTACH.as_bytes()).await.unwrap();
    let response = head(&mut client).await;
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    assert!(response.contains("Upgrade: tcp\r\n"), "{response}");
    assert!(response.contains("Connection: Upgrade\r\n"), "{response}");
    let sent: Vec<u8> = (0..10_000_000u32).map(|i| (i / 3) as u8).collect();
    client.write_all(&sent).await.unwrap();
    client.shutdown().await.unwrap();
    let mut back = Vec::new();
    timeout(SOON, client.read_to_end(&mut back))
        .await
        .expect("the output ends")
        .unwrap();
    assert!(back == sent);
}

#[tokio::test]
async fn input_sent_together_with_the_request_is_not_lost() {
    let bed = Bed::new(cat);
    let response = bed.ask(&format!("{ATTACH}early")).await;
    assert!(response.ends_with("\r\n\r\nearly"), "{response}");
}

#[tokio::test]
async fn an_upgrade_with_a_body_passes_both() {
    let bed = Bed::new(|mut stream| async move {
        head(&mut stream).await;
        until(&mut stream, r#"{"Tty":false}"#).await;
        stream.write_all(UPGRADED.as_bytes()).await.unwrap();
        let input = until(&mut stream, "in").await;
        stream
            .write_all(format!("out of {input}").as_bytes())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
    });
    let mut client = bed.client().await;
    let request = "POST /exec/a/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n\
         Upgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"Tty\":false}";
    client.write_all(request.as_bytes()).await.unwrap();
    head(&mut client).await;
    client.write_all(b"in").await.unwrap();
    until(&mut client, "out of in").await;
}

/// BuildKit speaks HTTP/2 from both ends over one connection.
#[tokio::test]
async fn an_h2c_session_is_open_both_ways() {
    let bed = Bed::new(|mut stream| async move {
        assert!(head(&mut stream).await.contains("Upgrade: h2c\r\n"));
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nengine first";
        stream.write_all(answer.as_bytes()).await.unwrap();
        for number in 0..3 {
            until(&mut stream, &format!("ask{number}")).await;
            let answer = format!("answer{number}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        ended(&mut stream).await;
    });
    let mut client = bed.client().await;
    let request = "POST /session HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\
         X-Docker-Expose-Session-Uuid: u\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    until(&mut client, "engine first").await;
    for number in 0..3 {
        let ask = format!("ask{number}");
        client.write_all(ask.as_bytes()).await.unwrap();
        until(&mut client, &format!("answer{number}")).await;
    }
}

#[tokio::test]
async fn an_upgrade_that_the_engine_refuses_is_an_ordinary_answer() {
    let bed = Bed::answering(
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"message\":\"no\"}",
    );
    let mut client = bed.client().await;
    for _ in 0..2 {
        client.write_all(ATTACH.as_bytes()).await.unwrap();
        let response = until(&mut client, r#"{"message":"no"}"#).await;
        assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    }
}

/// As `yes | docker run -i … head -1`.
#[tokio::test]
async fn the_last_words_of_an_engine_that_stops_listening_arrive() {
    let bed = Bed::new(|mut stream| async move {
        head(&mut stream).await;
        stream.write_all(UPGRADED.as_bytes()).await.unwrap();
        until(&mut stream, "y\n").await;
        stream.write_all(&vec![b'y'; 100_000]).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let client = bed.client().await;
    let (mut read, mut write) = client.into_split();
    write.write_all(ATTACH.as_bytes()).await.unwrap();
    let yes = tokio::spawn(async move { while write.write_all(b"y\ny\ny\n").await.is_ok() {} });
    head(&mut read).await;
    let mut last = Vec::new();
    timeout(SOON, read.read_to_end(&mut last))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(last.len(), 100_000);
    yes.abort();
}

#[tokio::test]
async fn a_client_that_goes_away_is_the_end_for_the_engine() {
    let (gone, mut seen) = mpsc::unbounded_channel();
    let bed = Bed::new(move |mut stream| {
        let gone = gone.clone();
        async move {
            head(&mut stream).await;
            stream.write_all(UPGRADED.as_bytes()).await.unwrap();
            ended(&mut stream).await;
            gone.send(()).unwrap();
        }
    });
    let mut client = bed.client().await;
    client.write_all(ATTACH.as_bytes()).await.unwrap();
    head(&mut client).await;
    drop(client);
    timeout(SOON, seen.recv())
        .await
        .expect("the engine was not told");
}

#[tokio::test]
async fn the_end_of_serving_cuts_what_is_open() {
    let bed = Bed::new(cat);
    let mut client = bed.client().await;
    client.write_all(ATTACH.as_bytes()).await.unwrap();
    head(&mut client).await;
    bed.served.abort();
    ended(&mut client).await;
}
