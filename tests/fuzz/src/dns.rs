//! What a container asks the guest's resolver.

use std::net::IpAddr;

// The agent is a program, not a crate to depend on; of this module only what reads is used here.
#[allow(dead_code)]
#[path = "../../../vm-image/guest-agent/src/resolver/wire.rs"]
mod wire;

use wire::{Over, Query};

/// A DNS message.
pub fn dns(data: &[u8]) {
    wire::says_something(data);
    let Some(query) = Query::parse(data) else {
        return;
    };
    let addresses: [IpAddr; 2] = [[10, 0, 2, 2].into(), [0; 16].into()];
    for (over, most) in [(Over::Udp, 4096), (Over::Tcp, usize::from(u16::MAX))] {
        for answer in [
            query.with_addresses(&addresses, over),
            query.with_name(&query.name, over),
            query.not_found(over),
            query.failed(over),
        ] {
            assert_eq!(wire::id(&answer), wire::id(data));
            assert!(!wire::is_query(&answer) && answer.len() <= most);
        }
    }
}
