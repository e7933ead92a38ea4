//! The one table of wanted against actual ports. No IO.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use coracle_guest_api::port::{PortRequest, Protocol};

/// Who wants a port: a lease, or whatever else follows the engine's wishes. A source may want
/// many ports, and several sources the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(pub(crate) u64);

/// A wanted port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortEntry {
    /// What is wanted.
    pub request: PortRequest,
    /// Why the host does not listen, or `None` when it does. An address of IPv6 counts as
    /// served on a host without IPv6.
    pub error: Option<String>,
}

/// What a wish means for the listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nobody listens: bind, then report with [`Table::bound`] or [`Table::refuse`].
    Bind,
    /// The host listens for another source already.
    Shared,
    /// Another container has it.
    Taken(PortRequest),
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    ports: BTreeMap<Endpoint, Port>,
    /// Wishes that wait for one that is in their way to go.
    waiting: BTreeMap<Source, (PortRequest, String)>,
}

/// What can be listened on once. IPv4 and IPv6 do not meet: the sockets are IPv6-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Endpoint {
    protocol: Protocol,
    port: u16,
    ip: IpAddr,
}

#[derive(Debug)]
struct Port {
    request: PortRequest,
    sources: BTreeSet<Source>,
    state: State,
}

#[derive(Debug)]
enum State {
    Unbound,
    Bound,
    Failed(String),
}

impl Table {
    /// `source` wants `request`. Unless taken, it is entered in the table.
    pub(crate) fn want(&mut self, source: Source, request: &PortRequest) -> Wish {
        let endpoint = Endpoint::of(request);
        let taken = self.ports.iter().find(|(other, port)| {
            other.meets(&endpoint) && (**other != endpoint || port.request != *request)
        });
        if let Some((_, port)) = taken {
            return Wish::Taken(port.request.clone());
        }
        let port = self.ports.entry(endpoint).or_insert_with(|| Port {
            request: request.clone(),
            sources: BTreeSet::new(),
            state: State::Unbound,
        });
        port.sources.insert(source);
        self.waiting.remove(&source);
        match port.state {
            State::Bound => Wish::Shared,
            State::Unbound | State::Failed(_) => Wish::Bind,
        }
    }

    /// The host listens.
    pub(crate) fn bound(&mut self, request: &PortRequest) {
        if let Some(port) = self.ports.get_mut(&Endpoint::of(request)) {
            port.state = State::Bound;
        }
    }

    /// `source` does not get `request`, which stays wanted; whether that is news.
    pub(crate) fn refuse(&mut self, source: Source, request: &PortRequest, why: String) -> bool {
        let own = self.ports.get_mut(&Endpoint::of(request));
        let Some(port) = own.filter(|port| port.sources.contains(&source)) else {
            let refusal = (request.clone(), why);
            return self.waiting.insert(source, refusal.clone()) != Some(refusal);
        };
        let known = matches!(&port.state, State::Failed(known) if *known == why);
        port.state = State::Failed(why);
        !known
    }

    /// `source` wants nothing any more. Returns the ports that nobody wants now.
    pub(crate) fn release(&mut self, source: Source) -> Vec<PortRequest> {
        let mut unwanted = Vec::new();
        if let Some((request, _)) = self.waiting.remove(&source) {
            unwanted.push(request);
        }
        self.ports.retain(|_, port| {
            let ours = port.sources.remove(&source);
            if ours && port.sources.is_empty() {
                unwanted.push(port.request.clone());
                return false;
            }
            true
        });
        unwanted
    }

    /// `source` wants all that the host listens on.
    pub(crate) fn share_all(&mut self, source: Source) {
        for port in self.ports.values_mut() {
            if matches!(port.state, State::Bound) {
                port.sources.insert(source);
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.ports.clear();
        self.waiting.clear();
    }

    /// All wanted ports, in a stable order.
    pub(crate) fn entries(&self) -> Vec<PortEntry> {
        self.ports
            .values()
            .map(|port| PortEntry {
                request: port.request.clone(),
                error: match &port.state {
                    State::Failed(why) => Some(why.clone()),
                    State::Bound | State::Unbound => None,
                },
            })
            .chain(self.waiting.values().map(|(request, why)| PortEntry {
                request: request.clone(),
                error: Some(why.clone()),
            }))
            .collect()
    }
}

impl Endpoint {
    fn of(request: &PortRequest) -> Self {
        Self {
            protocol: request.protocol,
            port: request.host_port,
            ip: request.host_ip,
        }
    }

    /// Whether a host can listen on only one of the two.
    fn meets(&self, other: &Self) -> bool {
        (self.protocol, self.port) == (other.protocol, other.port)
            && self.ip.is_ipv4() == other.ip.is_ipv4()
            && (self.ip == other.ip || self.ip.is_unspecified() || other.ip.is_unspecified())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, host_port: u16, container: &str) -> PortRequest {
        PortRequest {
            protocol: Protocol::Tcp,
            host_ip: ip.parse().unwrap(),
            host_port,
            container_ip: container.parse().unwrap(),
            container_port: 80,
        }
    }

    #[test]
    fn one_listener_serves_all_who_want_the_same() {
        let mut table = Table::default();
        let wanted = port("0.0.0.0", 8080, "172.17.0.2");
        assert_eq!(table.want(Source(1), &wanted), Wish::Bind);
        table.bound(&wanted);
        assert_eq!(table.want(Source(2), &wanted), Wish::Shared);
        assert_eq!(table.release(Source(1)), []);
        assert_eq!(table.release(Source(2)), [wanted]);
        assert_eq!(table.entries(), []);
    }

    #[test]
    fn what_meets_on_the_host_is_taken() {
        let mut table = Table::default();
        let first = port("127.0.0.1", 80, "172.17.0.2");
        assert_eq!(table.want(Source(1), &first), Wish::Bind);
        for other in [
            port("127.0.0.1", 80, "172.17.0.3"),
            port("0.0.0.0", 80, "172.17.0.2"),
        ] {
            assert_eq!(table.want(Source(2), &other), Wish::Taken(first.clone()));
        }
        for apart in [
            port("127.0.0.2", 80, "172.17.0.3"),
            port("::", 80, "172.17.0.3"),
            port("0.0.0.0", 81, "172.17.0.3"),
            PortRequest {
                protocol: Protocol::Udp,
                ..first.clone()
            },
        ] {
            assert_eq!(table.want(Source(3), &apart), Wish::Bind, "{apart:?}");
        }
        assert_eq!(table.release(Source(2)), [], "it was entered nowhere");
        assert_eq!(table.release(Source(3)).len(), 4);
    }

    #[test]
    fn a_failure_is_kept_while_wanted_and_tried_again() {
        let mut table = Table::default();
        let wanted = port("0.0.0.0", 80, "172.17.0.2");
        assert_eq!(table.want(Source(1), &wanted), Wish::Bind);
        assert!(table.refuse(Source(1), &wanted, "taken".into()));
        assert!(!table.refuse(Source(1), &wanted, "taken".into()));
        assert_eq!(table.entries()[0].error.as_deref(), Some("taken"));
        assert_eq!(table.want(Source(2), &wanted), Wish::Bind);
        table.bound(&wanted);
        assert_eq!(table.entries()[0].error, None);
    }

    #[test]
    fn who_waits_for_another_is_listed_until_it_is_their_turn() {
        let mut table = Table::default();
        let (first, second) = (
            port("0.0.0.0", 80, "172.17.0.2"),
            port("0.0.0.0", 80, "127.0.0.1"),
        );
        table.want(Source(1), &first);
        table.bound(&first);
        assert_eq!(table.want(Source(2), &second), Wish::Taken(first.clone()));
        assert!(table.refuse(Source(2), &second, "taken".into()));
        assert!(!table.refuse(Source(2), &second, "taken".into()));
        let errors: Vec<_> = table.entries().into_iter().map(|port| port.error).collect();
        assert_eq!(errors, [None, Some("taken".into())]);
        table.release(Source(1));
        assert_eq!(table.want(Source(2), &second), Wish::Bind);
        table.bound(&second);
        let entry = PortEntry {
            request: second,
            error: None,
        };
        assert_eq!(table.entries(), [entry]);
    }

    #[test]
    fn a_source_lets_go_of_all_its_ports_at_once() {
        let mut table = Table::default();
        for number in 1..=3 {
            table.want(Source(7), &port("0.0.0.0", number, "10.0.0.2"));
        }
        table.want(Source(8), &port("0.0.0.0", 2, "10.0.0.2"));
        assert_eq!(table.release(Source(7)).len(), 2);
        assert_eq!(table.entries().len(), 1);
        table.clear();
        assert_eq!(table.release(Source(8)), []);
    }

    #[test]
    fn what_is_listened_on_can_be_wanted_without_its_sources() {
        let mut table = Table::default();
        let (bound, refused) = (
            port("0.0.0.0", 1, "10.0.0.2"),
            port("0.0.0.0", 2, "10.0.0.2"),
        );
        for wanted in [&bound, &refused] {
            table.want(Source(1), wanted);
        }
        table.bound(&bound);
        table.refuse(Source(1), &refused, "taken".into());
        table.share_all(Source(2));
        assert_eq!(table.release(Source(1)), [refused]);
        assert_eq!(table.want(Source(3), &bound), Wish::Shared);
        assert_eq!(table.release(Source(2)), []);
        assert_eq!(table.release(Source(3)), [bound]);
    }
}
