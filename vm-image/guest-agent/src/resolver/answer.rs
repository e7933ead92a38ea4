//! Which way a name goes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use coracle_guest_api::resolve::{self, Lookup, Resolution};
use tokio::time::timeout;

use super::cache::Cache;
use super::forward::Upstream;
use super::own;
use super::wire::{self, Over, Query, Wanted};

/// How long a name server may take to say that it knows a name which the host has answered already.
const SECOND_OPINION: Duration = Duration::from_secs(1);

/// Answers queries.
pub(super) struct Answers {
    /// Where the host's loopback is reached.
    pub(super) host: Ipv4Addr,
    pub(super) cache: Cache,
    pub(super) upstream: Upstream,
}

impl Answers {
    /// The answer to a message; `None` when it deserves none.
    pub(super) async fn answer(&self, bytes: &[u8], over: Over) -> Option<Vec<u8>> {
        if !wire::is_query(bytes) {
            return None;
        }
        let Some(query) = Query::parse(bytes) else {
            return self.upstream.ask(bytes, over).await;
        };
        if let Some(addresses) = own::addresses(&query.name, self.host) {
            return Some(query.with_addresses(&addresses, over));
        }
        let lookup = match query.wanted {
            Wanted::V4 | Wanted::V6 if resolve::is_host_name(&query.name) => {
                Lookup::Name(query.name.clone())
            }
            Wanted::Pointer => match own::reverse(&query.name) {
                Some(address) => {
                    if let Some(name) = own::name(address, self.host) {
                        return Some(query.with_name(name, over));
                    }
                    Lookup::Address(address)
                }
                None => return Some(self.forward(&query, bytes, over, false).await),
            },
            _ => return Some(self.forward(&query, bytes, over, false).await),
        };
        Some(match self.cache.get(lookup).await {
            Resolution::Addresses(addresses) => {
                self.with_addresses(&query, addresses, bytes, over).await
            }
            Resolution::Name(name) => query.with_name(&name, over),
            Resolution::NotFound => self.forward(&query, bytes, over, true).await,
            Resolution::Unavailable => self.forward(&query, bytes, over, false).await,
        })
    }

    async fn forward(&self, query: &Query<'_>, bytes: &[u8], over: Over, unknown: bool) -> Vec<u8> {
        match self.upstream.ask(bytes, over).await {
            Some(answer) => answer,
            None if unknown => query.not_found(over),
            None => query.failed(over),
        }
    }

    /// An address of loopback that the DNS has is data, as a blocklist's. One that only the host has, as in
    /// its `/etc/hosts`, means a server on the host.
    async fn with_addresses(
        &self,
        query: &Query<'_>,
        mut addresses: Vec<IpAddr>,
        bytes: &[u8],
        over: Over,
    ) -> Vec<u8> {
        if addresses.iter().any(IpAddr::is_loopback) {
            let known = timeout(SECOND_OPINION, self.upstream.ask(bytes, over)).await;
            if let Ok(Some(answer)) = known
                && wire::says_something(&answer)
            {
                return answer;
            }
            addresses.retain(|address| !address.is_loopback());
            addresses.insert(0, self.host.into());
        }
        // It means nothing without the host's interface.
        addresses
            .retain(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()));
        query.with_addresses(&addresses, over)
    }
}
