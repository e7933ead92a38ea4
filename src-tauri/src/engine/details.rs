//! All that the engine knows of one thing, and what a container has changed in its image.

use coracle_daemon_api::ApiError;
use serde::{Deserialize, Serialize};

use super::{Engine, failed, wrong_answer};

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum Thing {
    /// A container, by its id.
    Container,
    /// An image, by its id.
    Image,
    /// A volume, by its name.
    Volume,
    /// A network, by its id.
    Network,
}

/// A file that is not as in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct FileChange {
    /// In the container.
    pub(crate) path: String,
    /// How.
    pub(crate) kind: FileChangeKind,
}

/// How a file is not as in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum FileChangeKind {
    /// It has other content or attributes; a folder is it when something in it is.
    Modified,
    /// The image does not have it.
    Added,
    /// Only the image has it.
    Deleted,
}

impl Engine {
    /// What the engine knows of something, as JSON for people.
    pub(crate) async fn inspect(&self, thing: Thing, id: &str) -> Result<String, ApiError> {
        let found = match thing {
            Thing::Container => self.read(&format!("/containers/{id}/json")).await,
            Thing::Image => self.read(&format!("/images/{id}/json")).await,
            Thing::Volume => self.read(&format!("/volumes/{id}")).await,
            Thing::Network => self.read(&format!("/networks/{id}")).await,
        }?;
        serde_json::to_string_pretty(&found).map_err(wrong_answer)
    }

    /// What a container has written outside of volumes, by path.
    pub(crate) async fn changes(&self, container: &str) -> Result<Vec<FileChange>, ApiError> {
        let changes = self.docker()?.container_changes(container).await;
        let changes = changes.map_err(failed)?.unwrap_or_default();
        let mut changes: Vec<_> = changes
            .into_iter()
            .map(|change| FileChange {
                path: change.path,
                // The engine has numbers for them.
                kind: match change.kind as u8 {
                    1 => FileChangeKind::Added,
                    2 => FileChangeKind::Deleted,
                    _ => FileChangeKind::Modified,
                },
            })
            .collect();
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }
}
