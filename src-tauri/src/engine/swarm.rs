//! The swarm: its nodes, tasks and rolling updates.

use std::collections::HashMap;

use bollard::models::{Node, NodeSpecAvailabilityEnum, Service, Task};
use coracle_daemon_api::{ApiError, ErrorCode};
use serde_json::{Value, json};

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
        self.change_spec(&format!("/services/{service}"), |spec| {
            let replicated = spec.pointer_mut("/Mode/Replicated");
            let Some(replicated) = replicated.and_then(Value::as_object_mut) else {
                return Err(format!(
                    "{service} has no number of replicas: it runs once on every node"
                ));
            };
            replicated.insert("Replicas".into(), replicas.into());
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
        self.change_spec(&format!("/services/{service}"), |spec| {
            let container = spec.pointer_mut("/TaskTemplate/ContainerSpec");
            let Some(container) = container.and_then(Value::as_object_mut) else {
                return Err(format!("{service} does not run containers"));
            };
            container.insert("Image".into(), image.into());
            let config = &mut spec["UpdateConfig"];
            if !config.is_object() {
                *config = json!({});
            }
            config["Parallelism"] = parallelism.into();
            config["Delay"] = (i64::from(delay_s) * SECOND).into();
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
        self.change_spec(&format!("/nodes/{node}"), |spec| {
            spec["Availability"] = match availability {
                Availability::Active => "active",
                Availability::Pause => "pause",
                Availability::Drain => "drain",
            }
            .into();
            Ok(())
        })
        .await
    }

    /// Changes a few keys of what a person has once written down of a service or a node. The engine takes a spec as a
    /// whole: what is not posted back is deleted, so all other keys stay as they came, those too that nobody here knows.
    async fn change_spec(
        &self,
        path: &str,
        change: impl FnOnce(&mut Value) -> Result<(), String>,
    ) -> Result<(), ApiError> {
        let mut found = self.read_current(path).await?;
        let version = found["Version"]["Index"].as_u64();
        let (Some(version), Some(spec)) = (
            version,
            found.get_mut("Spec").filter(|spec| spec.is_object()),
        ) else {
            let message = format!("the engine answered {path} without a version or a spec");
            return Err(ApiError::new(ErrorCode::EngineFailed, message));
        };
        change(spec).map_err(|why| ApiError::new(ErrorCode::InvalidInput, why))?;
        self.post_current(&format!("{path}/update?version={version}"), spec)
            .await
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
    use super::*;
    use crate::engine::played::Played;

    /// A service with keys that nobody here knows.
    fn service() -> Value {
        json!({
            "ID": "s", "Version": { "Index": 18_446_744_073_709_551_615_u64 },
            "Spec": {
                "Name": "web", "Labels": {}, "OfTomorrow": { "a": [1] },
                "Mode": { "Replicated": { "Replicas": 1, "OfTomorrow": true } },
                "TaskTemplate": { "ContainerSpec": {
                    "Image": "web:1",
                    "Healthcheck": { "Test": ["CMD", "true"], "Interval": 5_000_000_000_i64 },
                    "Mounts": [{ "Type": "cluster", "Source": "v", "ClusterOptions": {} }],
                } },
                "UpdateConfig": { "Parallelism": 1, "FailureAction": "rollback", "MaxFailureRatio": 0.25 },
            },
        })
    }

    fn played(found: Value) -> Played {
        Played::new(move |asked| match asked {
            "GET /services/web" | "GET /nodes/n" => (200, found.clone()),
            _ => (200, json!({ "Warnings": null })),
        })
    }

    #[tokio::test]
    async fn scaling_changes_nothing_but_the_replicas() {
        let played = played(service());
        played.engine.scale("web", 3).await.unwrap();
        let mut wanted = service()["Spec"].take();
        wanted["Mode"]["Replicated"]["Replicas"] = 3.into();
        let update = "POST /services/web/update?version=18446744073709551615";
        assert_eq!(played.asked("POST"), [(update.to_owned(), wanted)]);
    }

    #[tokio::test]
    async fn an_update_changes_nothing_but_the_image_and_its_own_pace() {
        let played = played(service());
        played.engine.update("web", "web:2", 2, 5).await.unwrap();
        let mut wanted = service()["Spec"].take();
        wanted["TaskTemplate"]["ContainerSpec"]["Image"] = "web:2".into();
        wanted["UpdateConfig"]["Parallelism"] = 2.into();
        wanted["UpdateConfig"]["Delay"] = 5_000_000_000_i64.into();
        assert_eq!(played.asked("POST")[0].1, wanted);
    }

    #[tokio::test]
    async fn a_service_of_every_node_is_not_scaled_and_half_an_answer_not_posted_back() {
        let mut global = service();
        global["Spec"]["Mode"] = json!({ "Global": {} });
        let played_global = played(global);
        let error = played_global.engine.scale("web", 3).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput);
        assert!(error.message.contains("once on every node"), "{error}");
        let played_half = played(json!({ "ID": "s", "Version": { "Index": 1 } }));
        let error = played_half.engine.scale("web", 3).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::EngineFailed);
        for played in [played_global, played_half] {
            assert_eq!(played.asked("POST"), []);
        }
    }

    #[tokio::test]
    async fn draining_a_node_keeps_what_else_is_said_of_it() {
        let spec = json!({ "Role": "manager", "Availability": "active", "OfTomorrow": 1 });
        let found = json!({ "ID": "n", "Version": { "Index": 7 }, "Spec": spec });
        let played = played(found);
        let availability = Availability::Drain;
        let drained = played.engine.set_availability("n", availability).await;
        drained.unwrap();
        let wanted = json!({ "Role": "manager", "Availability": "drain", "OfTomorrow": 1 });
        let update = "POST /nodes/n/update?version=7";
        assert_eq!(played.asked("POST"), [(update.to_owned(), wanted)]);
    }

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
