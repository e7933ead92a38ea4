//! What the engine says of its services' ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use coracle_guest_api::mux::Opener;
use coracle_guest_api::port::{PortRequest, Protocol};
use serde::{Deserialize, Deserializer};

use crate::placing::Placed;

use coracle_engine_client::{self as engine, Failure};

/// Where the guest takes connections for the ingress network. By IPv4 on every listener of the
/// host: the engine's own socket for IPv6 accepts and never answers (moby#53091).
const INGRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The ports of the services.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Each with the name of its service.
    pub(super) ports: Vec<(PortRequest, String)>,
    /// Where the ports of mode `host` go, which come as leases.
    pub(super) placed: Placed,
    /// Whether the engine would tell of a change; else it is to be asked again.
    pub(super) settled: bool,
}

/// Asks for them; `publish_on` is the address for all of them, as they name none.
pub(super) async fn wanted(opener: &Opener, publish_on: Option<IpAddr>) -> Result<Wanted, Failure> {
    if let Some(services) = engine::get::<Vec<Service>>(opener, "/services").await? {
        return Ok(of_services(&services, publish_on));
    }
    // Not a manager, or a swarm that has no leader yet, as after a start of the engine.
    let info = engine::get::<Info>(opener, "/info").await?;
    let settled = info.is_some_and(|info| info.swarm.is_quiet());
    Ok(Wanted {
        ports: Vec::new(),
        placed: Placed::new(),
        settled,
    })
}

/// What both answers mean, each `None` when it is none.
pub(crate) fn fuzzing(services: &[u8], info: &[u8]) -> (Option<Vec<PortRequest>>, Option<bool>) {
    let services = serde_json::from_slice::<Vec<Service>>(services).ok();
    let info = serde_json::from_slice::<Info>(info).ok();
    let ports = |wanted: Wanted| wanted.ports.into_iter().map(|(port, _)| port).collect();
    (
        services.map(|services| ports(of_services(&services, None))),
        info.map(|info| info.swarm.is_quiet()),
    )
}

fn of_services(services: &[Service], publish_on: Option<IpAddr>) -> Wanted {
    let addresses = match publish_on {
        Some(address) => vec![address],
        None => vec![
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ],
    };
    let mut wanted = Wanted {
        ports: Vec::new(),
        placed: Placed::new(),
        settled: true,
    };
    for service in services {
        let given = service.endpoint.ports.iter().filter(|port| port.ingress());
        let asked = service.spec.endpoint.iter().flat_map(|spec| &spec.ports);
        // The engine chooses and checks a moment after it took the service.
        wanted.settled &=
            asked.clone().filter(|port| port.ingress()).count() <= given.clone().count();
        if let Some(address) = publish_on {
            let all = asked.chain(&service.endpoint.ports);
            for port in all.filter(|port| !port.ingress() && port.published != 0) {
                if let Some(protocol) = port.protocol() {
                    let place = (address, service.spec.name.clone());
                    wanted.placed.insert((protocol, port.published), place);
                }
            }
        }
        for port in given.filter(|port| port.published != 0) {
            let Some(protocol) = port.protocol() else {
                tracing::warn!(
                    service = service.spec.name,
                    port = port.published,
                    "a port of this protocol is not brought to the host: {}",
                    port.protocol
                );
                continue;
            };
            wanted.ports.extend(addresses.iter().map(|host_ip| {
                let request = PortRequest {
                    protocol,
                    host_ip: *host_ip,
                    host_port: port.published,
                    container_ip: INGRESS,
                    container_port: port.published,
                };
                (request, service.spec.name.clone())
            }));
        }
    }
    wanted
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    spec: Spec,
    #[serde(default)]
    endpoint: Endpoint,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "EndpointSpec")]
    endpoint: Option<Endpoint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    #[serde(default, deserialize_with = "null_is_none")]
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    #[serde(default)]
    protocol: String,
    #[serde(default, rename = "PublishedPort")]
    published: u16,
    #[serde(default, rename = "PublishMode")]
    mode: String,
}

impl Port {
    fn ingress(&self) -> bool {
        matches!(self.mode.as_str(), "" | "ingress")
    }

    fn protocol(&self) -> Option<Protocol> {
        match self.protocol.as_str() {
            "" | "tcp" => Some(Protocol::Tcp),
            "udp" => Some(Protocol::Udp),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    swarm: Swarm,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Swarm {
    local_node_state: String,
    #[serde(default)]
    control_available: bool,
}

impl Swarm {
    /// Whether nothing will come of it without an event. A worker is never told of services.
    fn is_quiet(&self) -> bool {
        match self.local_node_state.as_str() {
            "inactive" | "error" => true,
            "active" => !self.control_available,
            _ => false,
        }
    }
}

fn null_is_none<'de, D: Deserializer<'de>>(ports: D) -> Result<Vec<Port>, D::Error> {
    Ok(Option::deserialize(ports)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Vec<String>, bool) {
        let wanted = of_services(&serde_json::from_str::<Vec<Service>>(text).unwrap(), None);
        assert!(wanted.placed.is_empty(), "nobody chose an address");
        let ports = wanted.ports.iter().map(|(port, service)| {
            assert_eq!(port.container_ip, INGRESS);
            assert_eq!(port.container_port, port.host_port);
            format!(
                "{service} {} {}/{}",
                port.host_ip, port.host_port, port.protocol
            )
        });
        (ports.collect(), wanted.settled)
    }

    #[test]
    fn ingress_ports_are_wanted_on_both_families() {
        let (ports, settled) = of(
            r#"[{"ID":"a","Spec":{"Name":"web","EndpointSpec":{"Mode":"vip","Ports":[
                 {"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"}]}},
                "Endpoint":{"Ports":[
                 {"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"},
                 {"Protocol":"udp","TargetPort":53,"PublishedPort":53},
                 {"Protocol":"sctp","TargetPort":9,"PublishedPort":9},
                 {"Protocol":"tcp","TargetPort":81,"PublishedPort":8081,"PublishMode":"host"}]}}]"#,
        );
        let expected = [
            "web 0.0.0.0 8080/tcp",
            "web :: 8080/tcp",
            "web 0.0.0.0 53/udp",
            "web :: 53/udp",
        ];
        assert_eq!(ports, expected);
        assert!(settled);
    }

    #[test]
    fn all_ports_of_services_go_to_the_chosen_address() {
        let text = r#"[{"Spec":{"Name":"web","EndpointSpec":{"Ports":[
             {"Protocol":"udp","PublishedPort":53,"PublishMode":"host"},
             {"Protocol":"tcp","PublishMode":"host"}]}},
            "Endpoint":{"Ports":[
             {"Protocol":"tcp","PublishedPort":8080,"PublishMode":"ingress"},
             {"Protocol":"tcp","PublishedPort":8081,"PublishMode":"host"}]}}]"#;
        let services: Vec<Service> = serde_json::from_str(text).unwrap();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let wanted = of_services(&services, Some(address));
        let hosts: Vec<_> = wanted.ports.iter().map(|(port, _)| port.host_ip).collect();
        assert_eq!(hosts, [address]);
        let place = (address, "web".to_owned());
        let expected = [
            ((Protocol::Udp, 53), place.clone()),
            ((Protocol::Tcp, 8081), place),
        ];
        assert_eq!(wanted.placed, Placed::from(expected));
    }

    #[test]
    fn a_port_that_the_engine_has_not_chosen_yet_is_asked_for_again() {
        let spec = r#""Spec":{"Name":"web","EndpointSpec":{"Ports":[{"Protocol":"tcp","TargetPort":80,"PublishMode":"ingress"}]}}"#;
        assert_eq!(
            of(&format!("[{{{spec},\"Endpoint\":{{}}}}]")),
            (vec![], false)
        );
        assert_eq!(
            of(&format!("[{{{spec},\"Endpoint\":{{\"Ports\":null}}}}]")),
            (vec![], false)
        );
    }

    #[test]
    fn services_without_ports_want_none() {
        assert_eq!(
            of(r#"[{"Spec":{"Name":"a"}},{"Spec":{},"Endpoint":{"Spec":{}}}]"#),
            (vec![], true)
        );
        assert_eq!(of("[]"), (vec![], true));
    }

    #[test]
    fn a_swarm_on_its_way_is_waited_for() {
        let quiet = |state: &str, manager: bool| {
            let text = format!(
                r#"{{"Swarm":{{"LocalNodeState":"{state}","ControlAvailable":{manager}}}}}"#
            );
            let info: Info = serde_json::from_str(&text).unwrap();
            info.swarm.is_quiet()
        };
        assert!(quiet("inactive", false) && quiet("error", false) && quiet("active", false));
        assert!(!quiet("pending", false) && !quiet("active", true) && !quiet("locked", false));
    }
}
