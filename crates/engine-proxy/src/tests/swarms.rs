use std::sync::{Arc, Mutex};

use super::*;

/// An engine with a swarm whose rotation takes two looks; what it was asked, as method, path
/// and body.
fn managing() -> (Bed, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let bed = Bed::new(move |mut stream| {
        let seen = seen.clone();
        async move {
            let line = request(&mut stream).await;
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push(line.clone());
                seen.len()
            };
            let answer = match line.starts_with("GET /swarm") {
                true => format!(
                    r#"{{"Version":{{"Index":7}},"Spec":{{"Name":"default","CAConfig":{{}}}},"RootRotationInProgress":{}}}"#,
                    number < 5
                ),
                false => "\"id\"".to_owned(),
            };
            respond(&mut stream, "200 OK", &answer).await;
        }
    });
    (bed, asked)
}

fn init(body: &str) -> String {
    format!(
        "POST /v1.45/swarm/init HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_new_swarms_own_certificate_is_renewed_before_the_answer() {
    let (bed, asked) = managing();
    let response = bed.ask(&init(r#"{"ListenAddr":"eth0"}"#)).await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("\"id\""));
    let asked = asked.lock().unwrap();
    let expected = [
        r#"POST /v1.45/swarm/init {"Spec":{"CAConfig":{"NodeCertExpiry":315360000000000000}},"ListenAddr":"eth0"}"#,
        "GET /swarm ",
        r#"POST /swarm/update?version=7 {"Name":"default","CAConfig":{"ForceRotate":1}}"#,
        "GET /swarm ",
        "GET /swarm ",
    ];
    assert_eq!(*asked, expected);
}

#[tokio::test]
async fn a_swarm_with_a_chosen_expiry_is_left_alone() {
    let (bed, asked) = managing();
    let body = r#"{"Spec":{"CAConfig":{"NodeCertExpiry":3600000000000}}}"#;
    let response = bed.ask(&init(body)).await;
    assert!(response.starts_with("HTTP/1.1 200 "));
    assert_eq!(asked.lock().unwrap().len(), 1);
}
