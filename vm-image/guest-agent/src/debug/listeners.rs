//! Who listens on which TCP port inside a container.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    inode: u64,
}

/// Those of `pids` that listen; those that can be reached from outside the container, if there are any.
pub(super) fn of_container(init: u32, pids: impl Iterator<Item = u32>) -> BTreeSet<u32> {
    let all = all(init);
    let (mut outside, mut inside) = (BTreeSet::new(), BTreeSet::new());
    for pid in pids {
        let held = held(pid);
        for listener in all.iter().filter(|one| held.contains(&one.inode)) {
            match listener.address.ip().is_loopback() {
                true => inside.insert(pid),
                false => outside.insert(pid),
            };
        }
    }
    match outside.is_empty() {
        true => inside,
        false => outside,
    }
}

/// The addresses on the loopback device on which one process listens.
pub(super) fn on_loopback(pid: u32) -> Vec<SocketAddr> {
    let held = held(pid);
    let is_its = |one: &Listener| held.contains(&one.inode) && one.address.ip().is_loopback();
    let all = all(pid);
    all.into_iter()
        .filter(is_its)
        .map(|one| one.address)
        .collect()
}

/// All in the network namespace of a process.
fn all(pid: u32) -> Vec<Listener> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}"));
    let tables = ["tcp", "tcp6"].map(|name| read(name).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines.filter_map(parse).collect()
}

/// A line of `/proc/net/tcp` (the kernel's `Documentation/networking/proc_net_tcp.rst`).
fn parse(line: &str) -> Option<Listener> {
    const LISTEN: &str = "0A";
    let fields: Vec<_> = line.split_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    // Words of 32 bits in the machine's order.
    let word = |at: usize| u32::from_str_radix(address.get(8 * at..8 * at + 8)?, 16).ok();
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?].map(u32::to_ne_bytes);
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(Listener {
        address: SocketAddr::new(ip.to_canonical(), u16::from_str_radix(port, 16).ok()?),
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// The inodes of a process' sockets.
fn held(pid: u32) -> BTreeSet<u64> {
    let folder = fs::read_dir(format!("/proc/{pid}/fd"));
    let links = folder.into_iter().flatten().flatten();
    links
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let name = target.to_str()?.strip_prefix("socket:[")?;
            name.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn own_listeners_are_found() {
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let six = TcpListener::bind("[::1]:0").ok();
        let found = on_loopback(std::process::id());
        assert!(found.contains(&four.local_addr().unwrap()), "{found:?}");
        if let Some(listener) = six {
            assert!(found.contains(&listener.local_addr().unwrap()), "{found:?}");
        }
        let own = std::process::id();
        assert!(of_container(own, [own, 0].into_iter()).contains(&own));
    }
}
