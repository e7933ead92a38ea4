use super::*;

/// A container that answers each datagram with the same, and its sender's port.
async fn echo_datagrams() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut space = vec![0; 1 << 16];
        while let Ok((length, from)) = socket.recv_from(&mut space).await {
            let mut answer = from.port().to_be_bytes().to_vec();
            answer.extend_from_slice(&space[..length]);
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

async fn client(target: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(target).await.unwrap();
    socket
}

/// The answer, split in the session's port and the words.
async fn said_back(client: &UdpSocket, words: &[u8]) -> (u16, Vec<u8>) {
    client.send(words).await.unwrap();
    let mut space = vec![0; 1 << 16];
    let length = timeout(SOON, client.recv(&mut space))
        .await
        .expect("an answer")
        .unwrap();
    let port = u16::from_be_bytes([space[0], space[1]]);
    (port, space[2..length].to_vec())
}

#[tokio::test]
async fn each_client_has_a_session_of_its_own() {
    let bed = Bed::new();
    let request = wish(Protocol::Udp, "127.0.0.1", echo_datagrams().await);
    let lease = bed.lease(&request).await.unwrap();
    let (one, two) = (
        client(address(&request)).await,
        client(address(&request)).await,
    );
    let (first, words) = said_back(&one, b"one").await;
    assert_eq!(words, b"one");
    let (second, words) = said_back(&two, &[7; 20_000]).await;
    assert_eq!(words, [7; 20_000]);
    assert_ne!(first, second);
    assert_eq!(said_back(&one, b"").await, (first, vec![]));
    drop(lease);
    bed.no_ports().await;
    UdpSocket::bind(address(&request))
        .await
        .expect("free again");
}

#[tokio::test]
async fn a_taken_udp_port_is_refused() {
    let bed = Bed::new();
    let holder = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut request = wish(Protocol::Udp, "127.0.0.1", "172.17.0.2:53".parse().unwrap());
    request.host_port = holder.local_addr().unwrap().port();
    let error = bed.lease(&request).await.unwrap_err();
    assert_eq!(error.code, AgentErrorCode::AddressInUse);
}

#[tokio::test]
async fn a_silent_client_is_forgotten_and_may_come_back() {
    let bed = Bed::new();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = socket.local_addr().unwrap();
    let container = echo_datagrams().await;
    let idle = Duration::from_millis(200);
    let served = tokio::spawn(udp::serve(
        Slot::new(socket),
        container,
        bed.guests.clone(),
        idle,
    ));
    let client = client(target).await;
    let (first, _) = said_back(&client, b"a").await;
    let (same, _) = said_back(&client, b"b").await;
    assert_eq!(first, same);
    tokio::time::sleep(idle * 5).await;
    let (fresh, words) = said_back(&client, b"c").await;
    assert_eq!(words, b"c");
    assert_ne!(first, fresh, "a new session dials anew");
    served.abort();
}
