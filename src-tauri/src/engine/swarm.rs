//! The swarm: its nodes, tasks and rolling updates.

use std::collections::HashMap;

use bollard::models::{Node, NodeSpecAvailabilityEnum, Service, ServiceSpecUpdateConfig, Task};
use bollard::query_parameters::{UpdateNodeOptionsBuilder, UpdateServiceOptionsBuilder};
use coracle_daemon_api::{ApiError, ErrorCode};

use super::{Engine, failed};
use crate::view::{Availability, RollingUpdate, SwarmNode, SwarmTask};

/// Nanoseconds, in which the engine counts delays.
const SECOND: i64 = 1_000_000_000;

/// What of a swarm only the engine knows.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// By name.
    pub(crate) nodes: Vec<SwarmNode>,
    /// By service and slot.
    pub(crate) tasks: Vec<SwarmTask>,
    /// How each service is updated, by name.
    pub(crate) updates: Vec<RollingUpdate>,
}

impl Engine {
    /// Nodes, tasks of all services, and how these are updated.
    pub(crate) async fn placed(&self) -> Result<Placed, ApiError> {
        let docker = self.docker()?;
        let (services, tasks, nodes) = tokio::join!(
            docker.list_services(None),
            docker.list_tasks(None),
            docker.list_nodes(None)
        );
        let services = services.map_err(failed)?;
        let mut updates: Vec<_> = services.iter().filter_map(rolling_update).collect();
        updates.sort_by(|a, b| a.service.cmp(&b.service));
        let names: HashMap<String, String> = services
            .into_iter()
            .filter_map(|service| Some((service.id?, service.spec?.name?)))
            .collect();
        let tasks = tasks.map_err(failed)?.into_iter();
        let mut tasks: Vec<_> = tasks.filter_map(|one| task(one, &names)).collect();
        tasks.sort_by(|a, b| (&a.service, a.slot, &a.id).cmp(&(&b.service, b.slot, &b.id)));
        let nodes = nodes.map_err(failed)?.into_iter();
        let mut nodes: Vec<_> = nodes.filter_map(node).collect();
        nodes.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(Placed {
            nodes,
            tasks,
            updates,
        })
    }

    /// Gives a replicated service another number of replicas.
    pub(crate) async fn scale(&self, service: &str, replicas: u32) -> Result<(), ApiError> {
        self.change_service(service, |spec| {
            let mode = spec.mode.as_mut();
            let replicated = mode.and_then(|mode| mode.replicated.as_mut());
            let Some(replicated) = replicated else {
                return Err(format!(
                    "{service} has no number of replicas: it runs once on every node"
                ));
            };
            replicated.replicas = Some(replicas.into());
            Ok(())
        })
        .await
    }

    /// Replaces a service's tasks by such of another image, a few at a time.
    pub(crate) async fn update(
        &self,
        service: &str,
        image: &str,
        parallelism: u32,
        delay_s: u32,
    ) -> Result<(), ApiError> {
        self.change_service(service, |spec| {
            let template = spec.task_template.as_mut();
            let container = template.and_then(|template| template.container_spec.as_mut());
            let Some(container) = container else {
                return Err(format!("{service} does not run containers"));
            };
            container.image = Some(image.to_owned());
            let config = spec.update_config.take().unwrap_or_default();
            spec.update_config = Some(ServiceSpecUpdateConfig {
                parallelism: Some(parallelism.into()),
                delay: Some(i64::from(delay_s) * SECOND),
                ..config
            });
            Ok(())
        })
        .await
    }

    /// Says whether a node takes tasks.
    pub(crate) async fn set_availability(
        &self,
        node: &str,
        availability: Availability,
    ) -> Result<(), ApiError> {
        let docker = self.docker()?;
        let found = docker.inspect_node(node).await.map_err(failed)?;
        let version = found.version.and_then(|version| version.index);
        let mut spec = found.spec.unwrap_or_default();
        spec.availability = Some(match availability {
            Availability::Active => NodeSpecAvailabilityEnum::ACTIVE,
            Availability::Pause => NodeSpecAvailabilityEnum::PAUSE,
            Availability::Drain => NodeSpecAvailabilityEnum::DRAIN,
        });
        let version = version.and_then(|version| i64::try_from(version).ok());
        let options = UpdateNodeOptionsBuilder::default()
            .version(version.unwrap_or_default())
            .build();
        let updated = docker.update_node(node, spec, options).await;
        updated.map_err(failed)
    }

    async fn change_service(
        &self,
        service: &str,
        change: impl FnOnce(&mut bollard::models::ServiceSpec) -> Result<(), String>,
    ) -> Result<(), ApiError> {
        let docker = self.docker()?;
        let found = docker.inspect_service(service, None).await;
        let found = found.map_err(failed)?;
        let version = found.version.and_then(|version| version.index);
        let mut spec = found.spec.unwrap_or_default();
        change(&mut spec).map_err(|why| ApiError::new(ErrorCode::InvalidInput, why))?;
        let version = version.and_then(|version| i32::try_from(version).ok());
        let options = UpdateServiceOptionsBuilder::default()
            .version(version.unwrap_or(i32::MAX))
            .build();
        let updated = docker.update_service(service, spec, options, None).await;
        updated.map(drop).map_err(failed)
    }
}

fn rolling_update(service: &Service) -> Option<RollingUpdate> {
    let spec = service.spec.as_ref()?;
    let config = spec.update_config.clone().unwrap_or_default();
    let status = service.update_status.clone().unwrap_or_default();
    let number = |value: i64| u32::try_from(value).unwrap_or(0);
    Some(RollingUpdate {
        service: spec.name.clone()?,
        // The engine's own when nobody has said otherwise.
        parallelism: config.parallelism.map_or(1, number),
        delay_s: number(config.delay.unwrap_or(0) / SECOND),
        message: status.message.filter(|message| !message.is_empty()),
    })
}

/// None for what is over as it should be.
fn task(task: Task, names: &HashMap<String, String>) -> Option<SwarmTask> {
    let status = task.status.unwrap_or_default();
    let state = status.state?.to_string();
    if matches!(
        state.as_str(),
        "shutdown" | "complete" | "orphaned" | "remove"
    ) {
        return None;
    }
    let spec = task.spec.and_then(|spec| spec.container_spec);
    Some(SwarmTask {
        service: names.get(&task.service_id?)?.clone(),
        id: task.id?,
        slot: task
            .slot
            .and_then(|slot| u32::try_from(slot).ok())
            .unwrap_or(0),
        error: status.err.filter(|error| !error.is_empty()),
        state,
        desired: task.desired_state?.to_string(),
        node: task.node_id.filter(|node| !node.is_empty()),
        image: spec.and_then(|spec| spec.image).unwrap_or_default(),
    })
}

fn node(node: Node) -> Option<SwarmNode> {
    let spec = node.spec?;
    Some(SwarmNode {
        id: node.id?,
        name: node.description?.hostname?,
        role: spec.role?.to_string(),
        availability: match spec.availability? {
            NodeSpecAvailabilityEnum::PAUSE => Availability::Pause,
            NodeSpecAvailabilityEnum::DRAIN => Availability::Drain,
            _ => Availability::Active,
        },
        state: node.status?.state?.to_string(),
        leader: node.manager_status.and_then(|manager| manager.leader) == Some(true),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_replica_that_was_replaced_is_not_shown_and_one_that_ends_or_failed_is() {
        let names = HashMap::from([("s".to_owned(), "web".to_owned())]);
        let of = |state: &str, desired: &str| {
            let one = json!({
                "ID": "t", "ServiceID": "s", "Slot": 2, "DesiredState": desired, "NodeID": "n",
                "Spec": { "ContainerSpec": { "Image": "web:1" } },
                "Status": { "State": state, "Err": "no suitable node" },
            });
            task(serde_json::from_value(one).unwrap(), &names)
        };
        assert!(of("shutdown", "shutdown").is_none());
        assert_eq!(of("failed", "shutdown").unwrap().slot, 2);
        assert_eq!(of("running", "shutdown").unwrap().desired, "shutdown");
        let running = of("running", "running").unwrap();
        assert_eq!((&*running.service, &*running.image), ("web", "web:1"));
        assert_eq!(running.node.as_deref(), Some("n"));
    }

    #[test]
    fn a_service_says_how_it_is_updated() {
        let service = json!({
            "Spec": {
                "Name": "web",
                "UpdateConfig": { "Parallelism": 2, "Delay": 5_000_000_000_i64, "FailureAction": "pause" },
            },
            "UpdateStatus": { "State": "updating", "Message": "update in progress" },
        });
        let found = rolling_update(&serde_json::from_value(service).unwrap()).unwrap();
        assert_eq!((found.parallelism, found.delay_s), (2, 5));
        assert_eq!(found.message.as_deref(), Some("update in progress"));
    }

    #[test]
    fn a_node_says_whether_it_takes_tasks() {
        let one = json!({
            "ID": "n", "Spec": { "Role": "manager", "Availability": "drain" },
            "Description": { "Hostname": "coracle" }, "Status": { "State": "ready" },
            "ManagerStatus": { "Leader": true },
        });
        let found = node(serde_json::from_value(one).unwrap()).unwrap();
        assert_eq!(found.availability, Availability::Drain);
        assert!(found.leader);
    }
}
