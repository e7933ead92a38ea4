//! The swarm for people.

use coracle_daemon_api::{SwarmPort, SwarmService, SwarmState, SwarmStatus};

/// The state, then a line a service and one for each port that is missing.
pub(super) fn text(status: &SwarmStatus) -> String {
    let mut lines = vec![state(status)];
    if status.state == SwarmState::On && status.services.is_empty() {
        lines.push("There is no service yet: `docker service create` makes one.".into());
    }
    let names = status.services.iter().map(|service| service.name.len());
    let width = names.max().unwrap_or_default();
    lines.extend(status.services.iter().map(|one| service(one, width)));
    for service in &status.services {
        let missing = service.ports.iter().filter_map(|port| port.error.as_ref());
        lines.extend(missing.map(|error| format!("Port missing: {error}")));
    }
    lines.join("\n")
}

/// What ends with the swarm.
pub(super) fn loss(status: &SwarmStatus) -> String {
    let names: Vec<_> = status
        .services
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    let services = match names.len() {
        0 => "all services".to_owned(),
        _ => format!("the services {}", names.join(", ")),
    };
    format!(
        "This deletes the swarm with {services}, secrets, configs and overlay networks. Images, \
         volumes and other containers stay."
    )
}

fn state(status: &SwarmStatus) -> String {
    let text = match status.state {
        SwarmState::Off => "The swarm is off: `coracle swarm on` makes one.",
        SwarmState::On => "The swarm is on.",
        SwarmState::Starting => "The swarm is starting.",
        SwarmState::Locked => "The swarm is locked.",
        SwarmState::Worker => "This engine is a worker of another one's swarm.",
        SwarmState::Failed => "The swarm does not come up.",
    };
    match &status.error {
        Some(error) => format!("{text} {error}"),
        None => text.to_owned(),
    }
}

fn service(service: &SwarmService, width: usize) -> String {
    let mut text = format!(
        "{:<width$}  {}/{} running  {}",
        service.name, service.running, service.desired, service.image
    );
    if service.mode != "replicated" {
        text += &format!("  {}", service.mode);
    }
    if !service.ports.is_empty() {
        let ports: Vec<_> = service.ports.iter().map(port).collect();
        text += &format!("  {}", ports.join(", "));
    }
    if let Some(update) = &service.update {
        text += &format!("  ({update})");
    }
    text
}

fn port(port: &SwarmPort) -> String {
    let missing = if port.error.is_some() {
        " (missing)"
    } else {
        ""
    };
    format!(
        "{} → {}/{}{missing}",
        port.published, port.target, port.protocol
    )
}
