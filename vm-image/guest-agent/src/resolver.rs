//! The guest's name server, for containers as for the engine.
//!
//! It listens on the guest's own address: dockerd takes name servers of loopback out of a
//! container's configuration. A name goes the first way that fits:
//!
//! 1. `host.docker.internal`, `gateway.docker.internal`, `localhost`: answered here.
//! 2. Addresses of a name, name of an address: the host's own resolver is asked through
//!    the daemon, so that its `/etc/hosts`, its VPNs and its changes of network count here as there.
//! 3. Everything else, and what the host does not know: forwarded to the host's name server.
//!
//! The host cannot tell a name that does not exist from one without addresses; the third way
//! can, and its answer is passed on. Only when that is silent too the answer is made here: NXDOMAIN for
//! what the host does not know, SERVFAIL when it could not say.

mod answer;
mod cache;
mod forward;
mod listen;
mod own;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use coracle_guest_api::boot::NetworkConfig;
use coracle_guest_api::mux::Opener;
use tokio::sync::watch;

use crate::command;
use crate::guest::Guest;
use crate::reaper::Reaper;

use answer::Answers;
use cache::Cache;
use forward::Upstream;

const PORT: u16 = 53;

/// Listens on the guest's address, which must be there already, and serves for ever.
///
/// # Errors
/// When the port cannot be had.
pub(crate) async fn start(guest: &Arc<Guest>) -> io::Result<()> {
    let NetworkConfig::Static {
        address,
        gateway,
        dns,
        ..
    } = &guest.config.network;
    let upstream = dns.iter().map(|server| SocketAddr::from((*server, PORT)));
    let answers = answers(guest.opener.subscribe(), *gateway, upstream.collect());
    listen::start((*address, PORT).into(), Arc::new(answers)).await?;
    let (own, address) = (guest.clone(), *address);
    tokio::spawn(async move {
        if let Err(error) = keep_port(&own.reaper, address).await {
            tracing::warn!("a container that publishes port {PORT} takes the resolver's: {error}");
        }
    });
    Ok(())
}

fn answers(
    openers: watch::Receiver<Option<Opener>>,
    host: Ipv4Addr,
    upstream: Vec<SocketAddr>,
) -> Answers {
    Answers {
        host,
        cache: Cache::new(openers),
        upstream: Upstream(upstream),
    }
}

/// Takes the resolver's packets out of address translation: a container that publishes port 53 on all
/// addresses would get what the others ask.
async fn keep_port(reaper: &Reaper, address: Ipv4Addr) -> io::Result<()> {
    let mut rules = String::from("*raw\n");
    for protocol in ["udp", "tcp"] {
        for (chain, end, side) in [
            ("PREROUTING", "d", "dport"),
            ("OUTPUT", "d", "dport"),
            ("OUTPUT", "s", "sport"),
        ] {
            rules += &format!(
                "-A {chain} -{end} {address}/32 -p {protocol} --{side} {PORT} -j CT --notrack\n"
            );
        }
    }
    rules += "COMMIT\n";
    let file = "/run/coracle/resolver.rules";
    std::fs::write(file, rules)?;
    let mut restore = command::program("/usr/sbin/iptables-restore");
    let output = command::output(reaper, restore.args(["--noflush", file])).await?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(output.text)),
    }
}

#[cfg(test)]
mod tests;
