//! The engine, by Docker's API over the daemon's socket.

mod follow;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::models::{ContainerSummary, Task};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    UpdateServiceOptionsBuilder,
};
use bollard::{ClientVersion, Docker};
use coracle_daemon_api::{ApiError, ErrorCode};
use futures::{Stream, StreamExt};

pub(crate) use follow::{Found, follow};

use crate::view::{Container, ContainerVerb, PublishedPort, SwarmTask};

/// The oldest API that engines of today still speak.
const VERSION: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 44,
};

/// For an answer that is not a stream, in seconds: a container may take its time to stop.
const PATIENCE: u64 = 120;

/// Lines of a log that are there before it is followed.
const TAIL: &str = "5000";

/// The engine behind one socket. One connection a call.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// Nothing is sent yet.
    pub(crate) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Where it listens on this host.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// All containers, by project and name.
    pub(crate) async fn containers(&self) -> Result<Vec<Container>, ApiError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let listed = self.docker()?.list_containers(Some(options)).await;
        let mut containers: Vec<_> = listed.map_err(failed)?.into_iter().map(container).collect();
        containers.sort_by(|a, b| {
            let key = |one: &Container| (one.project.is_none(), one.project.clone());
            (key(a), &a.name).cmp(&(key(b), &b.name))
        });
        Ok(containers)
    }

    /// Starts, stops, restarts or removes a container.
    pub(crate) async fn container(&self, id: &str, verb: ContainerVerb) -> Result<(), ApiError> {
        let docker = self.docker()?;
        match verb {
            ContainerVerb::Start => docker.start_container(id, None).await,
            ContainerVerb::Stop => docker.stop_container(id, None).await,
            ContainerVerb::Restart => docker.restart_container(id, None).await,
            ContainerVerb::Remove => {
                let options = RemoveContainerOptionsBuilder::default()
                    .force(true)
                    .v(true)
                    .build();
                docker.remove_container(id, Some(options)).await
            }
        }
        .map_err(failed)
    }

    /// What a container has written and writes, piece by piece.
    pub(crate) fn logs(
        &self,
        id: &str,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, ApiError>>, ApiError> {
        let options = LogsOptionsBuilder::default()
            .follow(true)
            .stdout(true)
            .stderr(true)
            .tail(TAIL)
            .build();
        let pieces = self.docker()?.logs(id, Some(options));
        Ok(pieces.map(|piece| {
            piece
                .map(|piece| piece.into_bytes().to_vec())
                .map_err(failed)
        }))
    }

    /// The tasks of all services, by service and slot.
    pub(crate) async fn tasks(&self) -> Result<Vec<SwarmTask>, ApiError> {
        let docker = self.docker()?;
        let services = docker.list_services(None).await.map_err(failed)?;
        let names: HashMap<String, String> = services
            .into_iter()
            .filter_map(|service| Some((service.id?, service.spec?.name?)))
            .collect();
        let tasks = docker.list_tasks(None).await.map_err(failed)?;
        let mut tasks: Vec<_> = tasks
            .into_iter()
            .filter_map(|one| task(one, &names))
            .collect();
        tasks.sort_by(|a, b| (&a.service, a.slot, &a.id).cmp(&(&b.service, b.slot, &b.id)));
        Ok(tasks)
    }

    /// Gives a replicated service another number of replicas.
    pub(crate) async fn scale(&self, service: &str, replicas: u32) -> Result<(), ApiError> {
        let docker = self.docker()?;
        let found = docker.inspect_service(service, None).await;
        let found = found.map_err(failed)?;
        let version = found.version.and_then(|version| version.index);
        let mut spec = found.spec.unwrap_or_default();
        let replicated = spec.mode.as_mut().and_then(|mode| mode.replicated.as_mut());
        let (Some(replicated), Some(version)) = (replicated, version) else {
            return Err(ApiError::new(
                ErrorCode::InvalidInput,
                format!("{service} has no number of replicas: it runs once on every node"),
            ));
        };
        replicated.replicas = Some(replicas.into());
        let options = UpdateServiceOptionsBuilder::default()
            .version(i32::try_from(version).unwrap_or(i32::MAX))
            .build();
        let updated = docker.update_service(service, spec, options, None).await;
        updated.map(drop).map_err(failed)
    }

    fn docker(&self) -> Result<Docker, ApiError> {
        let socket = self.socket.to_string_lossy();
        Docker::connect_with_socket(&socket, PATIENCE, &VERSION).map_err(failed)
    }
}

fn failed(error: bollard::errors::Error) -> ApiError {
    let message = match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => message,
        error => format!("the engine did not answer: {error}"),
    };
    ApiError::new(ErrorCode::EngineFailed, message)
}

fn container(summary: ContainerSummary) -> Container {
    let label = |names: &[&str]| {
        let labels = summary.labels.as_ref()?;
        names.iter().find_map(|name| labels.get(*name)).cloned()
    };
    let mut ports: Vec<_> = summary
        .ports
        .iter()
        .flatten()
        .filter(|port| port.typ.is_none_or(|kind| kind.to_string() == "tcp"))
        .filter_map(|port| {
            Some(PublishedPort {
                host: port.public_port?,
                container: port.private_port,
            })
        })
        .collect();
    // Once for each family of addresses.
    ports.sort_unstable();
    ports.dedup();
    Container {
        project: label(&[
            "com.docker.compose.project",
            "com.docker.swarm.service.name",
        ]),
        service: label(&["com.docker.compose.service"]),
        folder: label(&["com.docker.compose.project.working_dir"]),
        name: summary
            .names
            .iter()
            .flatten()
            .next()
            .map(|name| name.trim_start_matches('/').to_owned())
            .unwrap_or_default(),
        id: summary.id.unwrap_or_default(),
        image: summary.image.unwrap_or_default(),
        state: summary
            .state
            .map(|state| state.to_string())
            .unwrap_or_default(),
        status: summary.status.unwrap_or_default(),
        ports,
    }
}

/// None for what is over as it should be.
fn task(task: Task, names: &HashMap<String, String>) -> Option<SwarmTask> {
    let status = task.status.unwrap_or_default();
    let state = status.state?.to_string();
    let desired = task.desired_state?.to_string();
    if desired != "running" && !matches!(state.as_str(), "failed" | "rejected") {
        return None;
    }
    Some(SwarmTask {
        service: names.get(&task.service_id?)?.clone(),
        id: task.id?,
        slot: task
            .slot
            .and_then(|slot| u32::try_from(slot).ok())
            .unwrap_or(0),
        error: status.err.filter(|error| !error.is_empty()),
        state,
        desired,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_of_two_families_is_one() {
        let summary = serde_json::from_value(json!({
            "Id": "a", "Names": ["/web"], "Image": "nginx", "State": "running", "Status": "Up 2 minutes",
            "Labels": { "com.docker.compose.project": "shop", "com.docker.compose.service": "web" },
            "Ports": [
                { "IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp" },
                { "IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp" },
                { "PrivatePort": 443, "Type": "tcp" },
                { "IP": "0.0.0.0", "PrivatePort": 53, "PublicPort": 53, "Type": "udp" },
            ],
        }))
        .unwrap();
        let found = container(summary);
        let port = PublishedPort {
            host: 8080,
            container: 80,
        };
        assert_eq!(found.ports, [port]);
        assert_eq!(
            (&*found.name, found.project.as_deref()),
            ("web", Some("shop"))
        );
        assert!(found.is_running());
    }

    #[test]
    fn a_replica_that_was_replaced_is_not_shown_and_one_that_failed_is() {
        let names = HashMap::from([("s".to_owned(), "web".to_owned())]);
        let of = |state: &str, desired: &str| {
            let one = json!({
                "ID": "t", "ServiceID": "s", "Slot": 2, "DesiredState": desired,
                "Status": { "State": state, "Err": "no suitable node" },
            });
            task(serde_json::from_value(one).unwrap(), &names)
        };
        assert!(of("shutdown", "shutdown").is_none());
        assert_eq!(of("failed", "shutdown").unwrap().slot, 2);
        assert_eq!(of("running", "running").unwrap().service, "web");
    }
}
