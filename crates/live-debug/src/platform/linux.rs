use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;

use crate::access::Owner;

/// Who holds the other end of a connection from `peer` to us.
pub(crate) fn owner(peer: SocketAddr, us: SocketAddr) -> io::Result<Owner> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let (user, inode) = table
        .lines()
        .skip(1)
        .find_map(|line| entry(line, peer, us))
        .ok_or(io::ErrorKind::NotFound)?;
    let own = fs::metadata("/proc/self")?.uid();
    if user != own {
        return Ok(Owner::AnotherUser);
    }
    let holders = holders(own, inode)?;
    if holders.is_empty() {
        // Gone already, or of another kind of user than it says.
        return Ok(Owner::Unknown);
    }
    let ours = |pid: &u32| is_below(*pid, std::process::id());
    Ok(match holders.iter().any(ours) {
        true => Owner::OurChild,
        false => Owner::Ourselves,
    })
}

/// User and inode of a line of `/proc/net/tcp`, if it is that connection.
fn entry(line: &str, local: SocketAddr, remote: SocketAddr) -> Option<(u32, u64)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let is_it = address(fields.get(1)?)? == local && address(fields.get(2)?)? == remote;
    is_it.then_some((fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?))
}

fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    // The machine's order.
    let ip = u32::from_str_radix(ip, 16).ok()?.to_ne_bytes();
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip)), port))
}

/// The user's processes that have the socket open.
fn holders(user: u32, inode: u64) -> io::Result<Vec<u32>> {
    let wanted = format!("socket:[{inode}]");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // Processes come and go meanwhile.
        if !entry.metadata().is_ok_and(|process| process.uid() == user) {
            continue;
        }
        let fds = fs::read_dir(entry.path().join("fd"));
        let mut links = fds.into_iter().flatten().flatten();
        let is_it = |fd: fs::DirEntry| {
            fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str())
        };
        if links.any(is_it) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Whether `ancestor` is a parent of the process, or of its parent, and so on.
fn is_below(pid: u32, ancestor: u32) -> bool {
    let mut pid = pid;
    while let Some(parent) = parent(pid) {
        if parent == ancestor {
            return true;
        }
        pid = parent;
    }
    false
}

fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    #[test]
    fn own_connections_are_told_from_those_of_children() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let us = listener.local_addr().unwrap();
        let client = TcpStream::connect(us).unwrap();
        let (_server, peer) = listener.accept().unwrap();
        assert_eq!(owner(peer, us).unwrap(), Owner::Ourselves);
        drop(client);

        let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{}; read", us.port());
        let mut child = Command::new("bash")
            .args(["-c", &connect])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let (_server, peer) = listener.accept().unwrap();
        assert_eq!(owner(peer, us).unwrap(), Owner::OurChild);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(owner("127.0.0.1:1".parse().unwrap(), us).is_err());
    }
}
