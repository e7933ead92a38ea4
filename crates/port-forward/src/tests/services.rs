//! Services' ports against an engine of a few lines.

use std::sync::{Arc, Mutex};

use tokio::sync::broadcast;

use super::*;

/// What the engine says; changes are told to those who asked for events.
#[derive(Clone)]
struct Engine {
    services: Arc<Mutex<Option<String>>>,
    events: broadcast::Sender<()>,
    looks: Arc<Mutex<usize>>,
    publish_on: watch::Sender<Option<IpAddr>>,
}

impl Engine {
    /// Followed by a forwarder.
    fn followed() -> (Self, Forwarder) {
        let engine = Self {
            services: Arc::default(),
            events: broadcast::channel(16).0,
            looks: Arc::default(),
            publish_on: watch::Sender::default(),
        };
        let (host_io, guest_io) = tokio::io::duplex(64 << 10);
        let (host, wishes) = mux::start(host_io, End::Host);
        let (_, mut incoming) = mux::start(guest_io, End::Guest);
        let served = engine.clone();
        tokio::spawn(async move {
            while let Some(mut stream) = incoming.accept().await {
                // What is dialled finds nobody.
                if let StreamHeader::Engine = message::expect(&mut stream).await.unwrap() {
                    message::write(&mut stream, &StreamReply::OK).await.unwrap();
                    tokio::spawn(served.clone().answer(stream));
                }
            }
        });
        let guests = Guests::default();
        guests.attach(host.clone());
        let forwarder = Forwarder::new(guests, engine.publish_on.subscribe());
        let follower = forwarder.clone();
        tokio::spawn(async move {
            let _wishes = wishes;
            follower.follow_services(host).await;
        });
        (engine, forwarder)
    }

    async fn answer(self, mut stream: MuxStream) {
        let mut events = self.events.subscribe();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        if path.starts_with("/events?") {
            let begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(begin.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            while events.recv().await.is_ok() {
                stream.write_all(b"3\r\n{}\n\r\n").await.unwrap();
                stream.flush().await.unwrap();
            }
            return;
        }
        let services = self.services.lock().unwrap().clone();
        let (status, body) = match path {
            "/services" => {
                *self.looks.lock().unwrap() += 1;
                match services {
                    Some(services) => ("200 OK", services),
                    None => ("503 Service Unavailable", "{}".into()),
                }
            }
            "/info" => (
                "200 OK",
                r#"{"Swarm":{"LocalNodeState":"inactive"}}"#.into(),
            ),
            other => panic!("{other}"),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }

    /// Has one service with these published ports, or no swarm.
    fn now(&self, ports: Option<&[u16]>) {
        let text = ports.map(|ports| {
            let ports: Vec<_> = ports
                .iter()
                .map(|port| {
                    format!(
                        r#"{{"Protocol":"tcp","PublishedPort":{port},"PublishMode":"ingress"}}"#
                    )
                })
                .collect();
            format!(
                r#"[{{"Spec":{{"Name":"web"}},"Endpoint":{{"Ports":[{}]}}}}]"#,
                ports.join(",")
            )
        });
        *self.services.lock().unwrap() = text;
        let _ = self.events.send(());
    }

    fn looks(&self) -> usize {
        *self.looks.lock().unwrap()
    }
}

/// The ports of IPv4, and their errors, once they are as `fit` wants them.
async fn until(forwarder: &Forwarder, fit: impl Fn(&[(u16, Option<String>)]) -> bool) {
    let mut changed = forwarder.changed();
    let fits = async {
        loop {
            let ports: Vec<_> = forwarder
                .ports()
                .into_iter()
                .filter(|port| port.request.host_ip.is_ipv4())
                .map(|port| (port.request.host_port, port.error))
                .collect();
            if fit(&ports) {
                return;
            }
            changed.changed().await.unwrap();
        }
    };
    if timeout(SOON, fits).await.is_err() {
        panic!("the ports are {:?}", forwarder.ports());
    }
}

fn free() -> u16 {
    wish(Protocol::Tcp, "0.0.0.0", ([127, 0, 0, 1], 1).into()).host_port
}

#[tokio::test]
async fn ports_follow_the_services() {
    let (engine, forwarder) = Engine::followed();
    let (one, two) = (free(), free());
    engine.now(Some(&[one]));
    until(&forwarder, |ports| ports == [(one, None)]).await;
    drop(TcpStream::connect(("127.0.0.1", one)).await.unwrap());
    engine.now(Some(&[two]));
    until(&forwarder, |ports| ports == [(two, None)]).await;
    let closed = TcpStream::connect(("127.0.0.1", one)).await.unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::ConnectionRefused);
    engine.now(None);
    until(&forwarder, <[_]>::is_empty).await;
}

#[tokio::test]
async fn ports_of_services_move_to_the_address_that_is_chosen() {
    let (engine, forwarder) = Engine::followed();
    let port = free();
    engine.now(Some(&[port]));
    for (chosen, wanted) in [
        (None, &["0.0.0.0", "::"][..]),
        (Some("127.0.0.1"), &["127.0.0.1"]),
        (Some("127.0.0.2"), &["127.0.0.2"]),
        (None, &["0.0.0.0", "::"]),
    ] {
        engine
            .publish_on
            .send_replace(chosen.map(|address| address.parse().unwrap()));
        let mut changed = forwarder.changed();
        let hosts = || -> Vec<_> {
            let ports = forwarder.ports();
            assert!(ports.iter().all(|port| port.error.is_none()), "{ports:?}");
            ports
                .iter()
                .map(|port| port.request.host_ip.to_string())
                .collect()
        };
        let moved = async {
            while hosts() != wanted {
                changed.changed().await.unwrap();
            }
        };
        timeout(SOON, moved).await.expect("the ports elsewhere");
    }
    engine.publish_on.send_replace(Some([127, 0, 0, 2].into()));
    let refused = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, refused).await.expect("closed elsewhere");
    drop(TcpStream::connect(("127.0.0.2", port)).await.unwrap());
}

#[tokio::test]
async fn a_taken_port_is_told_and_tried_again() {
    let (engine, forwarder) = Engine::followed();
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    engine.now(Some(&[port]));
    until(&forwarder, |ports| {
        matches!(ports, [(number, Some(why))] if *number == port
            && why.starts_with("the swarm service web is not reachable: port")
            && why.contains("already in use"))
    })
    .await;
    drop(taken);
    until(&forwarder, |ports| ports == [(port, None)]).await;
}

#[tokio::test]
async fn a_port_of_a_container_is_waited_for() {
    let (engine, forwarder) = Engine::followed();
    let container = wish(Protocol::Tcp, "0.0.0.0", echo().await);
    let lease = forwarder.grant(&container).await.unwrap();
    engine.now(Some(&[container.host_port]));
    until(&forwarder, |ports| {
        let errors: Vec<_> = ports.iter().map(|(_, error)| error.is_some()).collect();
        errors == [false, true]
    })
    .await;
    drop(lease);
    until(&forwarder, |ports| ports == [(container.host_port, None)]).await;
}

#[tokio::test]
async fn without_events_nothing_is_asked() {
    let (engine, forwarder) = Engine::followed();
    let port = free();
    engine.now(Some(&[port]));
    until(&forwarder, |ports| ports == [(port, None)]).await;
    let before = engine.looks();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(engine.looks(), before);
}
