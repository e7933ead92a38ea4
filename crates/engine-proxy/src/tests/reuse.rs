use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

/// An engine that answers `each` requests on a stream before it hangs up, and the number of streams.
fn counting(each: usize) -> (Bed, Arc<AtomicUsize>) {
    let streams = Arc::new(AtomicUsize::new(0));
    let count = streams.clone();
    let bed = Bed::new(move |mut stream| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            for _ in 0..each {
                head(&mut stream).await;
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
            stream.shutdown().await.unwrap();
        }
    });
    (bed, streams)
}

async fn ask(client: &mut UnixStream) {
    let request = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
    client.write_all(request).await.unwrap();
    until(client, "\r\n\r\nOK").await;
}

#[tokio::test]
async fn the_next_request_of_a_client_goes_out_on_the_same_stream() {
    let (bed, streams) = counting(3);
    let mut client = bed.client().await;
    for _ in 0..3 {
        ask(&mut client).await;
    }
    assert_eq!(streams.load(Ordering::Relaxed), 1);
    // Another client has another one.
    ask(&mut bed.client().await).await;
    assert_eq!(streams.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_engine_that_hung_up_in_between_is_asked_on_a_new_stream() {
    let (bed, streams) = counting(1);
    let mut client = bed.client().await;
    for done in 1..4 {
        ask(&mut client).await;
        assert_eq!(streams.load(Ordering::Relaxed), done);
        // Its end has to have arrived: what crosses it on the way may be lost.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_response_that_has_not_ended_keeps_its_stream() {
    let streams = Arc::new(AtomicUsize::new(0));
    let count = streams.clone();
    let bed = Bed::new(move |mut stream| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        async move {
            head(&mut stream).await;
            let length = if number == 0 { 3 } else { 2 };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nOK");
            stream.write_all(answer.as_bytes()).await.unwrap();
            ended(&mut stream).await;
        }
    });
    let mut gone = bed.client().await;
    ask(&mut gone).await;
    drop(gone);
    ask(&mut bed.client().await).await;
    assert_eq!(streams.load(Ordering::Relaxed), 2);
}
