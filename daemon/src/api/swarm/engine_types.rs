//! What is read of the engine's answers.

use coracle_daemon_api::{SwarmPort, SwarmService, SwarmState};
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Info {
    pub(super) swarm: Swarm,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Swarm {
    local_node_state: String,
    #[serde(default)]
    control_available: bool,
    #[serde(default)]
    error: String,
}

impl Swarm {
    pub(super) fn state(&self) -> SwarmState {
        match self.local_node_state.as_str() {
            "active" if self.control_available => SwarmState::On,
            "active" => SwarmState::Worker,
            "pending" => SwarmState::Starting,
            "locked" => SwarmState::Locked,
            "error" => SwarmState::Failed,
            _ => SwarmState::Off,
        }
    }

    pub(super) fn error(&self) -> Option<String> {
        match self.state() {
            _ if !self.error.is_empty() => Some(self.error.clone()),
            SwarmState::Locked => {
                Some("it is locked: `docker swarm unlock` takes its key".to_owned())
            }
            SwarmState::Worker => Some("another engine manages it".to_owned()),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Service {
    spec: Spec,
    #[serde(default)]
    endpoint: Endpoint,
    #[serde(default)]
    service_status: Tasks,
    #[serde(default)]
    update_status: Option<Update>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    #[serde(default)]
    name: String,
    #[serde(default)]
    task_template: Template,
    #[serde(default)]
    mode: serde_json::Map<String, serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Template {
    #[serde(default)]
    container_spec: Container,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    #[serde(default)]
    image: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    #[serde(default, deserialize_with = "null_is_none")]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    #[serde(default)]
    protocol: String,
    #[serde(default)]
    target_port: u16,
    #[serde(default)]
    published_port: u16,
    #[serde(default)]
    publish_mode: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tasks {
    #[serde(default)]
    running_tasks: u64,
    #[serde(default)]
    desired_tasks: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Update {
    #[serde(default)]
    state: String,
    #[serde(default)]
    message: String,
}

impl Service {
    pub(super) fn describe(&self) -> SwarmService {
        let image = &self.spec.task_template.container_spec.image;
        let mode = self.spec.mode.keys().next().map(String::as_str);
        SwarmService {
            name: self.spec.name.clone(),
            // The digest that the engine adds says nothing to a person.
            image: image.split('@').next().unwrap_or_default().to_owned(),
            mode: match mode {
                Some("Global") => "global",
                Some("ReplicatedJob") => "replicated-job",
                Some("GlobalJob") => "global-job",
                _ => "replicated",
            }
            .to_owned(),
            running: self.service_status.running_tasks,
            desired: self.service_status.desired_tasks,
            update: self
                .update_status
                .as_ref()
                .filter(|update| !update.state.is_empty())
                .map(|update| match update.message.as_str() {
                    "" => update.state.clone(),
                    message => message.to_owned(),
                }),
            ports: self.endpoint.ports.iter().map(Port::describe).collect(),
        }
    }
}

impl Port {
    fn describe(&self) -> SwarmPort {
        let or = |text: &str, default: &str| match text {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        SwarmPort {
            protocol: or(&self.protocol, "tcp"),
            published: self.published_port,
            target: self.target_port,
            mode: or(&self.publish_mode, "ingress"),
            error: None,
        }
    }
}

fn null_is_none<'de, D: Deserializer<'de>>(ports: D) -> Result<Vec<Port>, D::Error> {
    Ok(Option::deserialize(ports)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_described() {
        let service: Service = serde_json::from_str(
            r#"{"ID":"a","Spec":{"Name":"web","Mode":{"Replicated":{"Replicas":6}},
                "TaskTemplate":{"ContainerSpec":{"Image":"nginx:1@sha256:abc"}}},
                "Endpoint":{"Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"}]},
                "ServiceStatus":{"RunningTasks":2,"DesiredTasks":6,"CompletedTasks":0},
                "UpdateStatus":{"State":"updating","Message":"update in progress"}}"#,
        )
        .unwrap();
        let service = service.describe();
        assert_eq!((service.running, service.desired), (2, 6));
        assert_eq!((&*service.image, &*service.mode), ("nginx:1", "replicated"));
        assert_eq!(service.update.as_deref(), Some("update in progress"));
        assert_eq!(
            (service.ports[0].published, service.ports[0].target),
            (8080, 80)
        );
        let bare: Service =
            serde_json::from_str(r#"{"Spec":{"Mode":{"Global":{}}},"Endpoint":{"Ports":null}}"#)
                .unwrap();
        assert_eq!(bare.describe().mode, "global");
    }

    #[test]
    fn states_of_the_swarm() {
        let of = |state: &str, manager: bool| Swarm {
            local_node_state: state.into(),
            control_available: manager,
            error: String::new(),
        };
        assert_eq!(of("inactive", false).state(), SwarmState::Off);
        assert_eq!(of("active", true).state(), SwarmState::On);
        assert_eq!(of("active", false).state(), SwarmState::Worker);
        assert_eq!(of("error", false).state(), SwarmState::Failed);
        assert!(of("locked", false).error().unwrap().contains("unlock"));
    }
}
