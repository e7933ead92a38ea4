use tokio::sync::mpsc;

use super::*;

/// An engine whose image exposes port 90; tells what it was asked, as method, path and body.
fn with_image() -> (Bed, mpsc::UnboundedReceiver<String>) {
    let (asked, seen) = mpsc::unbounded_channel();
    let bed = Bed::new(move |mut stream| {
        let asked = asked.clone();
        async move {
            let line = request(&mut stream).await;
            let (status, answer) = match &line {
                line if line.starts_with("GET /images/there:1/json") => {
                    ("200 OK", r#"{"Config":{"ExposedPorts":{"90/tcp":{}}}}"#)
                }
                line if line.starts_with("GET /images/broken") => {
                    ("500 Internal Server Error", r#"{"message":"no disk"}"#)
                }
                line if line.starts_with("GET ") => ("404 Not Found", "{}"),
                _ => ("201 Created", "{}"),
            };
            asked.send(line).unwrap();
            respond(&mut stream, status, answer).await;
        }
    });
    (bed, seen)
}

fn create(body: &str) -> String {
    format!(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_new_container_gets_the_address_of_the_moment() {
    let (bed, mut seen) = with_image();
    let body = r#"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8"}]}}}"#;
    for (address, sent) in [(None, ""), (Some("127.0.0.1"), "127.0.0.1"), (None, "")] {
        bed.publish_on
            .send_replace(address.map(|address| address.parse().unwrap()));
        let response = bed.ask(&create(body)).await;
        assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
        let expected = body.replace(r#""HostIp":"""#, &format!(r#""HostIp":"{sent}""#));
        let line = seen.recv().await.unwrap();
        assert_eq!(line, format!("POST /containers/create {expected}"));
    }
}

#[tokio::test]
async fn what_an_image_exposes_is_published_there_too() {
    let (bed, mut seen) = with_image();
    bed.publish_on.send_replace(Some([127, 0, 0, 1].into()));
    let body = |image: &str, ports: &str| {
        format!(r#"{{"Image":"{image}","HostConfig":{{{ports}"PublishAllPorts":true}}}}"#)
    };
    let response = bed.ask(&create(&body("there:1", ""))).await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    assert_eq!(seen.recv().await.unwrap(), "GET /images/there:1/json ");
    let ports = r#""PortBindings":{"90/tcp":[{"HostIp":"127.0.0.1"}]},"#;
    let expected = body("there:1", ports);
    assert_eq!(
        seen.recv().await.unwrap(),
        format!("POST /containers/create {expected}")
    );
    // Of one that is not there the engine says so itself.
    bed.ask(&create(&body("gone", ""))).await;
    assert_eq!(seen.recv().await.unwrap(), "GET /images/gone/json ");
    assert!(seen.recv().await.unwrap().starts_with("POST "));
    let response = bed.ask(&create(&body("broken", ""))).await;
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(response.contains(r#"{"message":"no disk"}"#), "{response}");
}
