//! From what the person names to a container that runs.

use serde::Deserialize;

use crate::engine::{self, Engine};
use crate::error::DebugError;

/// Labels of compose and of swarm by which a container is found.
const SERVICE: &str = "com.docker.compose.service";
const SWARM_SERVICE: &str = "com.docker.swarm.service.name";
const PROJECT: &str = "com.docker.compose.project";
const PROJECT_FOLDER: &str = "com.docker.compose.project.working_dir";

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Its first process, as the guest counts.
    pub(crate) init: u32,
    /// Where it starts.
    pub(crate) folder: String,
    /// Folders of the host, and where they are in the container.
    pub(crate) binds: Vec<(String, String)>,
    /// Compose's service and the folder of its project on the host.
    pub(crate) service: Option<(String, String)>,
}

/// Looks for a container by name or id, else for one of a compose or swarm service of that name.
pub(crate) async fn find(engine: &dyn Engine, target: &str) -> Result<Container, DebugError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if target.is_empty() || !target.bytes().all(allowed) {
        return Err(DebugError::wrong(format!(
            "{target:?} is no name of a container or service"
        )));
    }
    if let Some(details) = details(engine, target).await? {
        return details.running();
    }
    for label in [SERVICE, SWARM_SERVICE] {
        // {"label":["NAME=VALUE"]}, percent-encoded; running ones only.
        let filter = format!("%7B%22label%22%3A%5B%22{label}%3D{target}%22%5D%7D");
        let path = format!("/containers/json?filters={filter}");
        let mut found: Vec<Listed> = engine::get(engine, &path).await?.unwrap_or_default();
        found.sort_by(|a, b| a.names.cmp(&b.names));
        let mut projects: Vec<_> = found.iter().filter_map(Listed::project).collect();
        projects.dedup();
        if label == SERVICE && projects.len() > 1 {
            let names: Vec<_> = found.iter().map(Listed::name).collect();
            return Err(DebugError::wrong(format!(
                "several projects have a service {target}: name one of its containers, {}",
                names.join(", ")
            )));
        }
        if let Some(first) = found.first()
            && let Some(details) = details(engine, &first.id).await?
        {
            return details.running();
        }
    }
    Err(DebugError::wrong(format!(
        "there is no container and no service {target} that runs: `docker ps` lists the containers"
    )))
}

async fn details(engine: &dyn Engine, target: &str) -> Result<Option<Details>, DebugError> {
    engine::get(engine, &format!("/containers/{target}/json")).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
}

impl Listed {
    fn name(&self) -> &str {
        let name = self.names.first().map_or(self.id.as_str(), String::as_str);
        name.trim_start_matches('/')
    }

    fn project(&self) -> Option<&str> {
        self.labels.get(PROJECT).map(String::as_str)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    id: String,
    name: String,
    state: State,
    #[serde(default)]
    mounts: Vec<Mount>,
    config: Config,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
    status: String,
    pid: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    source: String,
    destination: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    working_dir: String,
    #[serde(default)]
    labels: Option<std::collections::BTreeMap<String, String>>,
}

impl Details {
    fn running(self) -> Result<Container, DebugError> {
        let name = self.name.trim_start_matches('/').to_owned();
        if !self.state.running || self.state.pid == 0 {
            return Err(DebugError::refused(format!(
                "the container {name} does not run ({}): `docker start {name}` starts it",
                self.state.status
            )));
        }
        let label = |name: &str| self.config.labels.as_ref()?.get(name).cloned();
        Ok(Container {
            service: label(SERVICE).zip(label(PROJECT_FOLDER)),
            id: self.id,
            name,
            init: self.state.pid,
            folder: self.config.working_dir,
            binds: self
                .mounts
                .into_iter()
                .filter(|mount| mount.kind == "bind")
                .map(|mount| (mount.source, mount.destination))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests;
