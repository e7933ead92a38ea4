use super::*;
use tokio::sync::mpsc;

fn create(body: &str) -> String {
    format!(
        "POST /v1.45/containers/create?name=a HTTP/1.1\r\nHost: d\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An engine that tells which bodies it was sent.
fn recording() -> (Bed, mpsc::UnboundedReceiver<String>) {
    let (bodies, seen) = mpsc::unbounded_channel();
    let bed = Bed::new(move |mut stream| {
        let bodies = bodies.clone();
        async move {
            let head = head(&mut stream).await;
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .unwrap()
                .parse()
                .unwrap();
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            bodies.send(String::from_utf8(body).unwrap()).unwrap();
            let answer = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (bed, seen)
}

#[tokio::test]
async fn a_folder_outside_the_shares_is_refused_until_it_is_shared() {
    let (bed, mut seen) = recording();
    let body = r#"{"Image":"x","HostConfig":{"Binds":["/srv/data:/data:ro"]}}"#;
    let response = bed.ask(&create(body)).await;
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    assert!(response.contains(r#"{"message":"mount denied: /srv/data is not in"#));
    assert!(response.contains("`coracle config set shares /srv/data`"));
    bed.policy
        .send_modify(|policy| policy.shares.push("/srv".into()));
    let response = bed.ask(&create(body)).await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    assert_eq!(seen.recv().await.unwrap(), body);
}

#[tokio::test]
async fn a_changed_body_has_its_length_and_keeps_every_other_byte() {
    let (bed, mut seen) = recording();
    let body = r#"{ "Odd":1.10e2, "Big":18446744073709551616,  "HostConfig":{"Binds":["/var/run/docker.sock:/s"]} }"#;
    let response = bed.ask(&create(body)).await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    assert_eq!(
        seen.recv().await.unwrap(),
        body.replace("/var/run/", "/run/")
    );
}

#[tokio::test]
async fn a_chunked_create_is_checked_too() {
    let (bed, mut seen) = recording();
    let body = r#"{"HostConfig":{"Binds":["/etc:/e"]}}"#;
    let chunked = |body: &str| {
        format!(
            "POST /containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    };
    let response = bed.ask(&chunked(body)).await;
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    let response = bed.ask(&chunked("{}")).await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    assert_eq!(seen.recv().await.unwrap(), "{}");
}
