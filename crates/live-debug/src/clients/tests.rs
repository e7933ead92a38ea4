use std::net::Ipv4Addr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::fake::{Awake, FakeGuest};

/// A debugger, connected to a port of these guests.
async fn debugger(guests: &Guests) -> (TcpStream, JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await;
    let (accepted, _) = listener.accept().await.unwrap();
    let target = DebugTarget {
        container: "c".into(),
        init: 7,
        process: None,
    };
    let served = tokio::spawn(serve(accepted, Runtime::Native, target, guests.clone()));
    (client.unwrap(), served)
}

/// Says it, and hears it again.
async fn converse(client: &mut TcpStream, word: &str) {
    client.write_all(word.as_bytes()).await.unwrap();
    hear(client, word).await;
}

async fn hear(client: &mut TcpStream, word: &str) {
    let mut heard = vec![0; word.len()];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), word);
}

fn wake(guest: &FakeGuest, guests: &Guests) -> Awake {
    let awake = guest.wake();
    guests.attach(awake.opener.clone());
    awake
}

async fn suspend(awake: Awake, guests: &Guests) {
    let opener = awake.opener.clone();
    drop(awake);
    opener.ended().await;
    guests.detach();
}

#[tokio::test]
async fn a_debugger_stays_while_the_vm_is_suspended() {
    let (guest, guests) = (FakeGuest::default(), Guests::default());
    let mut awake = wake(&guest, &guests);
    let (mut client, served) = debugger(&guests).await;
    converse(&mut client, "+$g#67").await;
    for _ in 0..5 {
        // Under way when the guest leaves.
        client.write_all(b"$c#63").await.unwrap();
        suspend(awake, &guests).await;
        client.write_all(b"\x03").await.unwrap();
        awake = wake(&guest, &guests);
        hear(&mut client, "$c#63\x03").await;
        converse(&mut client, "$m0,4#fd").await;
    }
    suspend(awake, &guests).await;
    client.shutdown().await.unwrap();
    let _awake = wake(&guest, &guests);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_debugger_is_cut_off_by_a_guest_that_does_not_know_it_any_more() {
    let (guest, guests) = (FakeGuest::default(), Guests::default());
    let awake = wake(&guest, &guests);
    let (mut client, served) = debugger(&guests).await;
    converse(&mut client, "+").await;
    suspend(awake, &guests).await;
    guest.forget();
    let _awake = wake(&guest, &guests);
    let error = served.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "it is over");
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_debugger_that_comes_while_the_vm_is_suspended_is_told_so() {
    let guests = Guests::default();
    let (mut client, served) = debugger(&guests).await;
    client.write_all(b"+").await.unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("+$E.the VM is suspended"), "{said}");
    drop(client);
    served.await.unwrap().unwrap();
}

#[test]
fn a_refusal_is_a_packet_of_its_protocol() {
    let native = refusal(Runtime::Native, "gone #1 é");
    assert_eq!(native, b"+$E.gone ?1 ??#4a");
    let node = String::from_utf8(refusal(Runtime::Node, "gone")).unwrap();
    assert!(
        node.ends_with("Content-Length: 4\r\nConnection: close\r\n\r\ngone"),
        "{node}"
    );
    let python = String::from_utf8(refusal(Runtime::Python, "gone")).unwrap();
    let (head, rest) = python.split_once("\r\n\r\n").unwrap();
    let length: usize = head
        .strip_prefix("Content-Length: ")
        .unwrap()
        .parse()
        .unwrap();
    let body: serde_json::Value = serde_json::from_str(&rest[..length]).unwrap();
    assert_eq!(body["body"]["output"], "gone\n");
}
