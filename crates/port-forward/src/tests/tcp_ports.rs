use super::*;

async fn said_back(target: SocketAddr, words: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(target).await.unwrap();
    client.write_all(words).await.unwrap();
    client.shutdown().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    back
}

#[tokio::test]
async fn ten_megabytes_come_back_after_the_half_close() {
    let bed = Bed::new();
    let request = wish(Protocol::Tcp, "127.0.0.1", echo().await);
    let _lease = bed.lease(&request).await.unwrap();
    assert_eq!(bed.forwarder.ports()[0].request, request);
    let sent: Vec<u8> = (0..10_000_000u32).map(|i| (i / 7) as u8).collect();
    let (target, copy) = (address(&request), sent.clone());
    // Writes and reads at once: the echo starts only at the end, the buffers are small.
    let back = tokio::spawn(async move { said_back(target, &copy).await });
    assert!(timeout(SOON, back).await.unwrap().unwrap() == sent);
}

#[tokio::test]
async fn a_container_that_refuses_resets_the_client_and_nobody_else() {
    let bed = Bed::new();
    let dead = wish(Protocol::Tcp, "127.0.0.1", {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    });
    let alive = wish(Protocol::Tcp, "127.0.0.1", echo().await);
    let _leases = (
        bed.lease(&dead).await.unwrap(),
        bed.lease(&alive).await.unwrap(),
    );
    let mut client = TcpStream::connect(address(&dead)).await.unwrap();
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(said_back(address(&alive), b"well").await, b"well");
}

#[tokio::test]
async fn a_guest_that_is_away_is_wanted_by_a_client_who_waits_for_it() {
    let bed = Bed::new();
    let request = wish(Protocol::Tcp, "127.0.0.1", echo().await);
    let lease = bed.lease(&request).await.unwrap();
    let wanted = Arc::new(Notify::new());
    bed.guests.away(wanted.clone());
    bed.forwarder.keep();
    drop(lease);
    let client = tokio::spawn(async move { said_back(address(&request), b"well").await });
    timeout(SOON, wanted.notified()).await.unwrap();
    assert!(!client.is_finished());
    bed.guests.attach(bed.host.clone());
    assert_eq!(client.await.unwrap(), b"well");
    // Who asks for its port again keeps it, others lose theirs.
    let request = bed.forwarder.ports()[0].request.clone();
    let lease = bed.lease(&request).await.unwrap();
    bed.forwarder.let_go();
    assert_eq!(said_back(address(&request), b"well").await, b"well");
    bed.forwarder.keep();
    drop(lease);
    bed.forwarder.let_go();
    bed.no_ports().await;
}

#[tokio::test]
async fn a_taken_port_is_refused_with_its_holder() {
    let bed = Bed::new();
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = wish(Protocol::Tcp, "0.0.0.0", "172.17.0.2:80".parse().unwrap());
    request.host_port = holder.local_addr().unwrap().port();
    let error = bed.lease(&request).await.unwrap_err();
    assert_eq!(error.code, AgentErrorCode::AddressInUse);
    let start = format!(
        "port {} on 0.0.0.0 is already in use on the host; ",
        request.host_port
    );
    assert!(error.message.starts_with(&start), "{error}");
    #[cfg(target_os = "linux")]
    assert!(
        error
            .message
            .contains(&format!("(process {}) holds it", std::process::id())),
        "{error}"
    );
    bed.no_ports().await;
    drop(holder);
    bed.lease(&request).await.expect("free again");
}

#[tokio::test]
async fn the_end_of_a_lease_closes_the_port_and_its_connections() {
    let bed = Bed::new();
    let request = wish(Protocol::Tcp, "127.0.0.1", echo().await);
    let lease = bed.lease(&request).await.unwrap();
    let mut open = TcpStream::connect(address(&request)).await.unwrap();
    open.write_all(b"unfinished").await.unwrap();
    drop(lease);
    bed.no_ports().await;
    // Closed at that very moment, not some time later.
    let error = TcpStream::connect(address(&request)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let mut rest = Vec::new();
    let _ = timeout(SOON, open.read_to_end(&mut rest))
        .await
        .expect("cut");
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_port_passes_from_a_stopping_container_to_the_next() {
    let bed = Bed::new();
    let first = wish(Protocol::Tcp, "127.0.0.1", "127.0.0.1:9".parse().unwrap());
    let lease = bed.lease(&first).await.unwrap();
    let next = echo().await;
    let second = PortRequest {
        container_ip: next.ip(),
        container_port: next.port(),
        ..first.clone()
    };
    let (granted, ()) = tokio::join!(bed.lease(&second), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(lease);
    });
    let _lease = granted.unwrap();
    assert_eq!(said_back(address(&second), b"next").await, b"next");
    let error = bed.lease(&first).await.unwrap_err();
    assert_eq!(error.code, AgentErrorCode::AddressInUse);
    assert!(error.message.contains(&next.ip().to_string()), "{error}");
}

#[tokio::test]
async fn two_leases_of_one_request_share_the_listener() {
    let bed = Bed::new();
    let request = wish(Protocol::Tcp, "127.0.0.1", echo().await);
    let first = bed.lease(&request).await.unwrap();
    let second = bed.lease(&request).await.unwrap();
    assert_eq!(bed.forwarder.ports().len(), 1);
    drop(first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(said_back(address(&request), b"still").await, b"still");
    drop(second);
    bed.no_ports().await;
}

#[tokio::test]
async fn what_cannot_be_bound_is_refused_with_a_sentence() {
    let bed = Bed::new();
    let mut request = wish(
        Protocol::Sctp,
        "127.0.0.1",
        "172.17.0.2:80".parse().unwrap(),
    );
    let error = bed.lease(&request).await.unwrap_err();
    assert_eq!(error.code, AgentErrorCode::Unsupported);
    assert!(
        error.message.contains("/sctp cannot be published"),
        "{error}"
    );

    // Of the range for documentation: no host has it.
    request.protocol = Protocol::Tcp;
    request.host_ip = "203.0.113.7".parse().unwrap();
    let error = bed.lease(&request).await.unwrap_err();
    assert!(
        error
            .message
            .starts_with("203.0.113.7 is not an address of the host;"),
        "{error}"
    );

    request.host_port = 80;
    let error = bind::explain(&request, &ErrorKind::PermissionDenied.into());
    assert_eq!(error.code, AgentErrorCode::PermissionDenied);
    assert!(error.message.contains("above 1023"), "{error}");
}

#[tokio::test]
async fn ipv4_and_ipv6_are_bound_apart() {
    let bed = Bed::new();
    let four = wish(Protocol::Tcp, "0.0.0.0", echo().await);
    let six = PortRequest {
        host_ip: "::".parse().unwrap(),
        ..four.clone()
    };
    // Granted in any case: a host without IPv6 has nobody who could ask there.
    let _leases = (
        bed.lease(&six).await.unwrap(),
        bed.lease(&four).await.unwrap(),
    );
    let entries = bed.forwarder.ports();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.error.is_none()));
    let has_v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let mut targets = vec![format!("127.0.0.1:{}", four.host_port)];
    if has_v6 {
        targets.push(format!("[::1]:{}", four.host_port));
    }
    for target in targets {
        assert_eq!(said_back(target.parse().unwrap(), b"hi").await, b"hi");
    }
}

#[tokio::test]
async fn clearing_ends_leases_and_closes_ports() {
    let bed = Bed::new();
    let request = wish(Protocol::Tcp, "127.0.0.1", echo().await);
    let mut lease = bed.lease(&request).await.unwrap();
    bed.forwarder.clear();
    assert_eq!(bed.forwarder.ports(), []);
    let ended = timeout(SOON, lease.read_u8())
        .await
        .expect("the lease ended");
    assert!(ended.is_err());
    bed.guests.attach(bed.host.clone());
    let _again = bed.lease(&request).await.unwrap();
    assert_eq!(said_back(address(&request), b"again").await, b"again");
}
