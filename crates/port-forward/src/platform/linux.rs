//! Linux: `/proc` tells who holds a port.

use std::fs;
use std::io;

use coracle_guest_api::port::Protocol;

/// EAFNOSUPPORT.
const UNKNOWN_FAMILY: i32 = 97;

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The program that listens on a port, as "nginx (process 812)". An ordinary user sees only
/// their own.
pub(crate) fn holder(protocol: Protocol, port: u16) -> Option<String> {
    let files: [&str; 2] = match protocol {
        Protocol::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Protocol::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        Protocol::Sctp => return None,
    };
    let links: Vec<String> = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|table| {
            let inodes = inodes(&table, port, protocol == Protocol::Tcp);
            inodes
                .map(|inode| format!("socket:[{inode}]"))
                .collect::<Vec<_>>()
        })
        .collect();
    if links.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let number: u32 = process.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(process.path().join("fd"))
            .ok()?
            .flatten()
            .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
            .any(|link| {
                links
                    .iter()
                    .any(|wanted| link.as_os_str() == wanted.as_str())
            });
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        holds.then(|| format!("{} (process {number})", name.trim_end()))
    })
}

/// What lets a user bind a privileged port.
pub(crate) fn allow_port(port: u16) -> String {
    format!("`sudo sysctl net.ipv4.ip_unprivileged_port_start={port}`")
}

/// Whether the host does not know the address family.
pub(crate) fn is_unknown_family(error: &io::Error) -> bool {
    error.raw_os_error() == Some(UNKNOWN_FAMILY)
}

/// Inodes of the sockets bound to a port, from a table of `/proc/net`.
fn inodes(table: &str, port: u16, listening: bool) -> impl Iterator<Item = &str> {
    table.lines().skip(1).filter_map(move |line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = columns.get(1)?.rsplit_once(':')?;
        let matches = u16::from_str_radix(local, 16).ok()? == port
            && (!listening || *columns.get(3)? == LISTEN);
        matches.then(|| columns.get(9).copied()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let named = holder(Protocol::Tcp, port).unwrap();
        let own = format!("(process {})", std::process::id());
        assert!(named.ends_with(&own), "{named}");
    }

    #[test]
    fn connections_to_a_port_do_not_hold_it() {
        let table = "  sl  local_address rem_address   st tx rx tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 111 1\n\
             1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000 0 0 222 1\n\
             torn line\n";
        assert_eq!(inodes(table, 8080, true).collect::<Vec<_>>(), ["111"]);
        assert_eq!(inodes(table, 8080, false).count(), 2);
    }
}
