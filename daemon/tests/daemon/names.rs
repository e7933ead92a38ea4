use coracle_guest_api::mux::Opener;
use coracle_guest_api::resolve::{Lookup, Resolution};
use coracle_guest_api::{StreamHeader, message};

use crate::bench::Bench;

async fn look_up(opener: &Opener, name: &str) -> Resolution {
    let lookup = Lookup::Name(name.into());
    let (mut stream, _) = opener
        .open(&StreamHeader::Resolve { lookup })
        .await
        .unwrap();
    let answer = message::expect(&mut stream).await.unwrap();
    let more: Option<Resolution> = message::read(&mut stream).await.unwrap();
    assert_eq!(more, None);
    answer
}

#[tokio::test]
async fn the_hosts_names_are_the_guests_and_nothing_else_is_resolved() {
    let bench = Bench::new().await;
    let guest = bench.up().await;
    let opener = guest.opener().await;
    let Resolution::Addresses(addresses) = look_up(&opener, "localhost").await else {
        panic!("the host does not know itself");
    };
    assert!(addresses.iter().all(|address| address.is_loopback()));
    for name in ["127.1", "a b", "", &"a.".repeat(60_000)] {
        assert_eq!(look_up(&opener, name).await, Resolution::NotFound);
    }
}
