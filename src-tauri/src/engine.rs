//! The engine, by Docker's API over the daemon's socket.

pub(crate) mod details;
mod exec;
mod follow;
pub(crate) mod images;
mod kept;
#[cfg(test)]
mod played;
mod raw;
mod swarm;
mod usage;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use bollard::{ClientVersion, Docker};
use coracle_daemon_api::{ApiError, ErrorCode};
use futures::{Stream, StreamExt};

pub(crate) use details::{FileChange, Thing};
pub(crate) use exec::{Shell, TerminalSize};
pub(crate) use follow::{Found, follow};
pub(crate) use images::{ImageStep, Images, PullPiece};
pub(crate) use kept::{NetworkInfo, VolumeInfo, VolumeSize};
pub(crate) use usage::Usage;

use crate::action::{ContainerVerb, Stored};
use crate::view::{Container, PublishedPort};

/// The oldest API that engines of today still speak.
const VERSION: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 44,
};

/// For an answer that is not a stream, in seconds: a container may take its time to stop.
const PATIENCE: u64 = 120;

/// Lines of a log that are there before it is followed: as many as the page keeps.
const TAIL: &str = "100000";

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
        let listed = self.summaries().await?;
        let mut containers: Vec<_> = listed.into_iter().map(container).collect();
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

    /// Removes something; the engine refuses while a container uses it.
    pub(crate) async fn remove(&self, kind: Stored, id: &str) -> Result<(), ApiError> {
        match kind {
            Stored::Image => self.remove_image(id).await,
            Stored::Volume => self.remove_volume(id).await,
            Stored::Network => self.remove_network(id).await,
        }
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

    /// All containers as the engine lists them.
    async fn summaries(&self) -> Result<Vec<ContainerSummary>, ApiError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let listed = self.docker()?.list_containers(Some(options)).await;
        listed.map_err(failed)
    }

    fn docker(&self) -> Result<Docker, ApiError> {
        let socket = self.socket.to_string_lossy();
        Docker::connect_with_socket(&socket, PATIENCE, &VERSION).map_err(failed)
    }
}

fn failed(error: bollard::errors::Error) -> ApiError {
    let message = match error {
        bollard::errors::Error::DockerResponseServerError { message, .. }
        | bollard::errors::Error::DockerStreamError { error: message } => message,
        error => format!("the engine did not answer: {error}"),
    };
    ApiError::new(ErrorCode::EngineFailed, message)
}

fn wrong_answer(error: serde_json::Error) -> ApiError {
    let message = format!("the engine answered something else than it should: {error}");
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
        name: name(&summary),
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

/// Containers by what they use, of which one may use several.
fn users(
    containers: &[ContainerSummary],
    used: impl Fn(&ContainerSummary) -> Vec<String>,
) -> HashMap<String, Vec<String>> {
    let mut users: HashMap<String, Vec<String>> = HashMap::new();
    for container in containers {
        for what in used(container) {
            users.entry(what).or_default().push(name(container));
        }
    }
    users
}

fn name(summary: &ContainerSummary) -> String {
    let first = summary.names.iter().flatten().next();
    let name = first.map(|name| name.trim_start_matches('/').to_owned());
    name.unwrap_or_default()
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
}
