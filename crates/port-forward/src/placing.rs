//! Where a lease is served that names no address, because its port is a swarm service's.
//!
//! The engine publishes a service's port of mode `host` on all addresses; a service cannot say otherwise, and
//! the lease does not say that it is a service's. So the list of services tells which ports are meant, and a
//! lease that came before the list moves when it does.

use std::collections::HashMap;
use std::net::IpAddr;

use coracle_guest_api::port::{PortRequest, Protocol};

/// Ports of services with the address for them and the service's name.
pub(crate) type Placed = HashMap<(Protocol, u16), (IpAddr, String)>;

/// A lease's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// As it asks.
    AsAsked,
    /// Elsewhere, for the service of this name.
    At(PortRequest, String),
    /// Nowhere: the lease of the other family goes to the address.
    Nowhere,
}

impl Place {
    /// Where `request` is served.
    pub(crate) fn of(request: &PortRequest, placed: &Placed) -> Self {
        let place = placed.get(&(request.protocol, request.host_port));
        match place.filter(|_| request.host_ip.is_unspecified()) {
            None => Self::AsAsked,
            Some((address, _)) if address.is_ipv4() != request.host_ip.is_ipv4() => Self::Nowhere,
            Some((address, service)) => {
                let request = PortRequest {
                    host_ip: *address,
                    ..request.clone()
                };
                Self::At(request, service.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_services_port_without_an_address_is_placed() {
        let request = |host_ip: &str, host_port| PortRequest {
            protocol: Protocol::Tcp,
            host_ip: host_ip.parse().unwrap(),
            host_port,
            container_ip: [172, 17, 0, 2].into(),
            container_port: 80,
        };
        let place = ([127, 0, 0, 1].into(), "web".to_owned());
        let placed = Placed::from([((Protocol::Tcp, 8080), place)]);
        let of = |request| Place::of(&request, &placed);
        assert_eq!(
            of(request("0.0.0.0", 8080)),
            Place::At(request("127.0.0.1", 8080), "web".into())
        );
        assert_eq!(of(request("::", 8080)), Place::Nowhere);
        assert_eq!(of(request("0.0.0.0", 8081)), Place::AsAsked);
        assert_eq!(of(request("127.0.0.2", 8080)), Place::AsAsked);
        let udp = PortRequest {
            protocol: Protocol::Udp,
            ..request("0.0.0.0", 8080)
        };
        assert_eq!(of(udp), Place::AsAsked);
    }
}
