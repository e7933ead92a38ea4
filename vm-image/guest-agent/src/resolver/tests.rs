use std::net::IpAddr;
use std::sync::Mutex;

use coracle_guest_api::mux::{self, End, Incoming};
use coracle_guest_api::resolve::{Lookup, Resolution};
use coracle_guest_api::{StreamHeader, StreamReply, message};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::*;

/// A resolver with a host and a name server around it.
struct Bench {
    address: SocketAddr,
    /// What the host was asked.
    asked: Arc<Mutex<Vec<Lookup>>>,
    /// How many queries the name server got.
    forwarded: Arc<Mutex<usize>>,
    openers: watch::Sender<Option<Opener>>,
    _mux: (Opener, Incoming),
}

impl Bench {
    /// `known` is what the host says; the name server knows `server` alone, under any name.
    async fn new(known: fn(&Lookup) -> Resolution, server: Option<Ipv4Addr>) -> Self {
        let (host, guest) = tokio::io::duplex(4096);
        let (host_opener, mut incoming) = mux::start(host, End::Host);
        let (opener, guest_incoming) = mux::start(guest, End::Guest);
        let asked: Arc<Mutex<Vec<Lookup>>> = Arc::default();
        let log = asked.clone();
        tokio::spawn(async move {
            while let Some(mut stream) = incoming.accept().await {
                let Ok(StreamHeader::Resolve { lookup }) = message::expect(&mut stream).await
                else {
                    panic!("another header");
                };
                message::write(&mut stream, &StreamReply::OK).await.unwrap();
                message::write(&mut stream, &known(&lookup)).await.unwrap();
                log.lock().unwrap().push(lookup);
            }
        });
        let forwarded: Arc<Mutex<usize>> = Arc::default();
        let upstream = name_server(server, forwarded.clone()).await;
        let openers = watch::Sender::new(Some(opener));
        let answers = answers(openers.subscribe(), HOST, vec![upstream]);
        let address = listen::start(([127, 0, 0, 1], 0).into(), Arc::new(answers));
        Self {
            address: address.await.unwrap(),
            asked,
            forwarded,
            openers,
            _mux: (host_opener, guest_incoming),
        }
    }

    async fn ask(&self, name: &str, wanted: TYPE) -> (RCODE, Vec<String>) {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(self.address).await.unwrap();
        client.send(&query(name, wanted)).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = client.recv(&mut answer).await.unwrap();
        read(&answer[..length])
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn forwarded(&self) -> usize {
        *self.forwarded.lock().unwrap()
    }
}

const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 65, 2);

fn query(name: &str, wanted: TYPE) -> Vec<u8> {
    let mut packet = Packet::new_query(7);
    let name = Name::new(name).unwrap();
    let class = QCLASS::CLASS(CLASS::IN);
    packet
        .questions
        .push(Question::new(name, QTYPE::TYPE(wanted), class, false));
    packet.build_bytes_vec().unwrap()
}

fn read(answer: &[u8]) -> (RCODE, Vec<String>) {
    let packet = Packet::parse(answer).unwrap();
    let records = packet.answers.iter().map(|record| match &record.rdata {
        RData::A(a) => Ipv4Addr::from(a.address).to_string(),
        RData::AAAA(aaaa) => std::net::Ipv6Addr::from(aaaa.address).to_string(),
        RData::PTR(name) => name.0.to_string(),
        other => panic!("{other:?}"),
    });
    (packet.rcode(), records.collect())
}

async fn name_server(known: Option<Ipv4Addr>, count: Arc<Mutex<usize>>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        loop {
            let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
            *count.lock().unwrap() += 1;
            let query = wire::Query::parse(&buffer[..length]).unwrap();
            let answer = match known {
                Some(address) => query.with_addresses(&[address.into()], wire::Over::Udp),
                None => query.not_found(wire::Over::Udp),
            };
            socket.send_to(&answer, client).await.unwrap();
        }
    });
    address
}

fn good(addresses: &[&str]) -> (RCODE, Vec<String>) {
    let addresses = addresses.iter().map(|text| (*text).to_owned());
    (RCODE::NoError, addresses.collect())
}

#[tokio::test]
async fn names_of_the_host_are_answered_here_without_ipv6() {
    let bench = Bench::new(|_| Resolution::NotFound, None).await;
    for name in ["host.docker.internal", "Gateway.Docker.Internal"] {
        assert_eq!(bench.ask(name, TYPE::A).await, good(&["192.168.65.2"]));
        assert_eq!(bench.ask(name, TYPE::AAAA).await, good(&[]));
        assert_eq!(bench.ask(name, TYPE::MX).await, good(&[]));
    }
    let back = bench.ask("2.65.168.192.in-addr.arpa", TYPE::PTR).await;
    assert_eq!(back, good(&["host.docker.internal"]));
    assert_eq!(bench.ask("localhost", TYPE::AAAA).await, good(&["::1"]));
    assert_eq!((bench.asked(), bench.forwarded()), (0, 0));
}

#[tokio::test]
async fn a_new_connection_to_the_host_is_asked_anew() {
    let bench = Bench::new(
        |_| Resolution::Addresses(vec!["10.0.0.1".parse().unwrap()]),
        None,
    )
    .await;
    for _ in 0..2 {
        bench.ask("server.corp", TYPE::A).await;
    }
    assert_eq!(bench.asked(), 1);
    bench.openers.send_modify(|_| ());
    for _ in 0..2 {
        bench.ask("server.corp", TYPE::A).await;
    }
    assert_eq!(bench.asked(), 2);
}

#[tokio::test]
async fn the_host_is_asked_once_for_both_families() {
    let known = |_: &Lookup| {
        Resolution::Addresses(vec![
            "fe80::1".parse().unwrap(),
            "fd00::1".parse().unwrap(),
            [10, 0, 0, 1].into(),
        ])
    };
    let bench = Bench::new(known, None).await;
    let (four, six) = tokio::join!(
        bench.ask("Web.corp", TYPE::A),
        bench.ask("web.corp", TYPE::AAAA)
    );
    assert_eq!((four, six), (good(&["10.0.0.1"]), good(&["fd00::1"])));
    assert_eq!(
        *bench.asked.lock().unwrap(),
        [Lookup::Name("web.corp".into())]
    );
    assert_eq!(bench.forwarded(), 0);
}

#[tokio::test]
async fn a_name_of_the_hosts_own_loopback_leads_to_the_host() {
    let known = |_: &Lookup| Resolution::Addresses(vec![IpAddr::from([127, 0, 1, 1])]);
    let bench = Bench::new(known, None).await;
    assert_eq!(bench.ask("vm", TYPE::A).await, good(&["192.168.65.2"]));
    assert_eq!(bench.ask("vm", TYPE::AAAA).await, good(&[]));
    // A blocklist's answer is data.
    let bench = Bench::new(known, Some(Ipv4Addr::new(127, 0, 1, 1))).await;
    assert_eq!(bench.ask("x.zen.test", TYPE::A).await, good(&["127.0.1.1"]));
}

#[tokio::test]
async fn what_the_host_cannot_say_is_forwarded() {
    let bench = Bench::new(|_| Resolution::NotFound, None).await;
    assert_eq!(bench.ask("no.test", TYPE::A).await.0, RCODE::NameError);
    assert_eq!(bench.ask("no.test", TYPE::MX).await.0, RCODE::NameError);
    assert_eq!((bench.asked(), bench.forwarded()), (1, 2));
    let server = Some(Ipv4Addr::new(10, 0, 0, 9));
    let bench = Bench::new(|_| Resolution::Unavailable, server).await;
    assert_eq!(bench.ask("web.test", TYPE::A).await, good(&["10.0.0.9"]));
    // Not remembered.
    assert_eq!(bench.ask("web.test", TYPE::A).await, good(&["10.0.0.9"]));
    assert_eq!((bench.asked(), bench.forwarded()), (2, 2));
}

#[tokio::test]
async fn streams_carry_several_queries() {
    let known = |_: &Lookup| Resolution::Name("web.corp".into());
    let bench = Bench::new(known, None).await;
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    for _ in 0..2 {
        let query = query("1.0.0.10.in-addr.arpa", TYPE::PTR);
        stream.write_u16(query.len() as u16).await.unwrap();
        stream.write_all(&query).await.unwrap();
        let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(read(&answer), good(&["web.corp"]));
    }
    assert_eq!(bench.asked(), 1);
}
