//! Images: what they are made of, what uses them, and what their disk would give back.

use std::collections::HashMap;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, PruneBuildOptionsBuilder, RemoveImageOptionsBuilder,
};
use coracle_daemon_api::{ApiError, ErrorCode};
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use super::{Engine, failed, users, wrong_answer};

/// All images, and the disk that they take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Images {
    /// The newest first.
    pub(crate) images: Vec<Image>,
    /// All their layers; one that several share counts once.
    pub(crate) layers_bytes: u64,
    /// What of it would come back if all were removed that nothing uses.
    pub(crate) reclaimable_bytes: u64,
    /// The build cache.
    pub(crate) cache_bytes: u64,
    /// What of it would come back.
    pub(crate) cache_reclaimable_bytes: u64,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Image {
    /// The engine's id.
    pub(crate) id: String,
    /// With their tags; none when another image has taken them over.
    pub(crate) names: Vec<String>,
    /// When it was built, in seconds since the Unix epoch.
    pub(crate) created_s: i64,
    /// With its layers.
    pub(crate) size_bytes: u64,
    /// What of it other images share.
    pub(crate) shared_bytes: u64,
    /// Containers made of it, by name, those that have ended too.
    pub(crate) users: Vec<String>,
}

/// A step of an image's making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct ImageStep {
    /// When, in seconds since the Unix epoch.
    pub(crate) created_s: i64,
    /// What was done, in the builder's words.
    pub(crate) made_by: String,
    /// What it has added to the image.
    pub(crate) size_bytes: u64,
}

/// What the page gets of a pull.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "piece")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum PullPiece {
    /// A layer is at another place.
    Layer {
        /// Its short id.
        id: String,
        /// Where it is, in the engine's words.
        status: String,
        /// Bytes that are there of this step.
        current: u64,
        /// Bytes that the step has; 0 where that is not known.
        total: u64,
    },
    /// Something about the image as a whole.
    Note {
        /// In the engine's words.
        text: String,
    },
    /// Nothing more comes.
    End {
        /// Why, if it is not as it should be.
        error: Option<String>,
    },
}

/// `/system/df` as every engine still answers it for [`super::VERSION`].
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Disk {
    layers_size: Option<i64>,
    images: Option<Vec<Listed>>,
    build_cache: Option<Vec<Cached>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    repo_tags: Option<Vec<String>>,
    created: i64,
    size: i64,
    shared_size: i64,
    containers: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cached {
    size: i64,
    in_use: bool,
    shared: bool,
}

impl Engine {
    /// All images.
    pub(crate) async fn images(&self) -> Result<Images, ApiError> {
        let (disk, containers) = tokio::join!(
            self.read("/system/df?type=image&type=build-cache"),
            self.summaries()
        );
        let disk = serde_json::from_value(disk?).map_err(wrong_answer)?;
        let users = users(&containers?, |one| {
            one.image_id.clone().into_iter().collect()
        });
        Ok(images(disk, &users))
    }

    /// How an image was made, the last step first.
    pub(crate) async fn history(&self, image: &str) -> Result<Vec<ImageStep>, ApiError> {
        let steps = self.docker()?.image_history(image).await.map_err(failed)?;
        let steps = steps.into_iter().map(|step| ImageStep {
            created_s: step.created,
            made_by: step.created_by,
            size_bytes: bytes(step.size),
        });
        Ok(steps.collect())
    }

    /// Fetches an image by its name; dropped, the engine stops fetching.
    pub(crate) fn pull(
        &self,
        name: &str,
    ) -> Result<impl Stream<Item = Result<PullPiece, ApiError>> + use<>, ApiError> {
        let options = CreateImageOptionsBuilder::default()
            .from_image(&tagged(name))
            .build();
        let pieces = self.docker()?.create_image(Some(options), None, None);
        Ok(pieces.map(|piece| piece.map(progress).map_err(failed)))
    }

    /// Removes an image with all its names, or none of them: the engine itself refuses for a container only when the
    /// last name is left.
    pub(super) async fn remove_image(&self, id: &str) -> Result<(), ApiError> {
        let docker = self.docker()?;
        let (found, containers) = tokio::join!(docker.inspect_image(id), self.summaries());
        let found = found.map_err(failed)?;
        let image = found.id.unwrap_or_else(|| id.to_owned());
        let users = users(&containers?, |one| {
            one.image_id.clone().into_iter().collect()
        });
        if let Some(users) = users.get(&image) {
            return Err(in_use(users));
        }
        let mut names = found.repo_tags.unwrap_or_default();
        if names.is_empty() {
            names.push(id.to_owned());
        }
        for name in names {
            let options = RemoveImageOptionsBuilder::default().build();
            let removed = docker.remove_image(&name, Some(options), None).await;
            removed.map_err(failed)?;
        }
        Ok(())
    }

    /// Removes what builds have kept for the next.
    pub(crate) async fn clear_build_cache(&self) -> Result<(), ApiError> {
        let options = PruneBuildOptionsBuilder::default().all(true).build();
        let pruned = self.docker()?.prune_build(Some(options)).await;
        pruned.map(drop).map_err(failed)
    }
}

fn in_use(users: &[String]) -> ApiError {
    let message = match users {
        [one] => format!("The container {one} is made of this image: remove it first."),
        many => format!(
            "{} containers are made of this image: remove {} first.",
            many.len(),
            many.join(", ")
        ),
    };
    ApiError::new(ErrorCode::WrongState, message)
}

/// A name that means one image: without a tag the engine would fetch all that there are.
fn tagged(name: &str) -> String {
    let name = name.trim();
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) {
        return name.to_owned();
    }
    format!("{name}:latest")
}

fn images(disk: Disk, users: &HashMap<String, Vec<String>>) -> Images {
    let listed = disk.images.unwrap_or_default();
    let layers_bytes = bytes(disk.layers_size.unwrap_or(0));
    // As docker counts it: what only images that are used have stays, all else can go.
    let kept: u64 = listed
        .iter()
        .filter(|one| one.containers > 0)
        .map(|one| bytes(one.size.saturating_sub(one.shared_size.max(0))))
        .fold(0, u64::saturating_add);
    let reclaimable_bytes = match listed.iter().any(|one| one.containers == 0) {
        true => layers_bytes.saturating_sub(kept),
        false => 0,
    };
    let cache = disk.build_cache.unwrap_or_default();
    // What is shared is a part of an image, and counted there.
    let cache = cache.iter().filter(|one| !one.shared);
    let mut images: Vec<_> = listed.into_iter().map(|one| image(one, users)).collect();
    images.sort_by(|a, b| (b.created_s, &a.names).cmp(&(a.created_s, &b.names)));
    Images {
        images,
        layers_bytes,
        reclaimable_bytes,
        cache_bytes: total(cache.clone()),
        cache_reclaimable_bytes: total(cache.filter(|one| !one.in_use)),
    }
}

/// The numbers are the guest's: a sum that is too large stays at the largest.
fn total<'a>(cache: impl Iterator<Item = &'a Cached>) -> u64 {
    cache
        .map(|one| bytes(one.size))
        .fold(0, u64::saturating_add)
}

fn image(listed: Listed, users: &HashMap<String, Vec<String>>) -> Image {
    let mut names = listed.repo_tags.unwrap_or_default();
    names.retain(|name| name != "<none>:<none>");
    Image {
        names,
        created_s: listed.created,
        size_bytes: bytes(listed.size),
        shared_bytes: bytes(listed.shared_size),
        users: users.get(&listed.id).cloned().unwrap_or_default(),
        id: listed.id,
    }
}

fn progress(info: CreateImageInfo) -> PullPiece {
    let status = info.status.unwrap_or_default();
    // The image as a whole speaks under its tag.
    let is_layer = |id: &String| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
    match info.id.filter(is_layer) {
        Some(id) => {
            let detail = info.progress_detail.unwrap_or_default();
            PullPiece::Layer {
                id,
                status,
                current: bytes(detail.current.unwrap_or(0)),
                total: bytes(detail.total.unwrap_or(0)),
            }
        }
        None => PullPiece::Note { text: status },
    }
}

/// The engine says -1 for what it has not counted.
fn bytes(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::played::Played;

    #[test]
    fn what_comes_back_is_what_no_used_image_has_for_itself() {
        let disk = json!({
            "LayersSize": 1000,
            "Images": [
                { "Id": "sha256:a", "RepoTags": ["redis:8"], "Created": 1, "Size": 600, "SharedSize": 100, "Containers": 1 },
                { "Id": "sha256:b", "RepoTags": null, "Created": 2, "Size": 500, "SharedSize": 100, "Containers": 0 },
            ],
            "BuildCache": [
                { "Size": 70, "InUse": false, "Shared": false },
                { "Size": 30, "InUse": true, "Shared": false },
                { "Size": 500, "InUse": false, "Shared": true },
            ],
        });
        let users = HashMap::from([("sha256:a".to_owned(), vec!["cache".to_owned()])]);
        let found = images(serde_json::from_value(disk).unwrap(), &users);
        assert_eq!((found.layers_bytes, found.reclaimable_bytes), (1000, 500));
        assert_eq!(
            (found.cache_bytes, found.cache_reclaimable_bytes),
            (100, 70)
        );
        assert_eq!(found.images[0].names, Vec::<String>::new());
        assert_eq!(found.images[1].users, ["cache"]);
    }

    #[test]
    fn sizes_that_cannot_be_are_no_reason_to_end() {
        let one = json!({
            "Id": "a", "RepoTags": null, "Created": 1, "Size": i64::MIN, "SharedSize": i64::MAX, "Containers": 1,
        });
        let large = json!({
            "Id": "b", "RepoTags": null, "Created": 1, "Size": i64::MAX, "SharedSize": 0, "Containers": 1,
        });
        let cached = json!({ "Size": i64::MAX, "InUse": false, "Shared": false });
        let disk = json!({
            "LayersSize": -1,
            "Images": [one, large, large, large],
            "BuildCache": [cached, cached, cached],
        });
        let found = images(serde_json::from_value(disk).unwrap(), &HashMap::new());
        assert_eq!(found.cache_bytes, u64::MAX);
        assert_eq!((found.layers_bytes, found.reclaimable_bytes), (0, 0));
    }

    /// An image with two names, and what is made of it.
    fn two_names(containers: &'static [&str]) -> Played {
        Played::new(move |asked| match asked {
            "GET /images/sha256:a/json" => {
                (200, json!({ "Id": "sha256:a", "RepoTags": ["a:1", "b:1"] }))
            }
            asked if asked.starts_with("GET /containers/json") => {
                let containers = containers
                    .iter()
                    .map(|image| json!({ "Id": "c", "Names": ["/web"], "ImageID": image }));
                (200, containers.collect())
            }
            _ => (200, json!([])),
        })
    }

    #[tokio::test]
    async fn an_image_goes_with_all_its_names_or_stays_with_all() {
        let used = two_names(&["sha256:b", "sha256:a"]);
        let error = used.engine.remove_image("sha256:a").await.unwrap_err();
        assert!(error.message.contains("web"), "{error}");
        assert_eq!(used.asked("DELETE"), []);

        let unused = two_names(&["sha256:b"]);
        unused.engine.remove_image("sha256:a").await.unwrap();
        let removed: Vec<_> = unused
            .asked("DELETE")
            .into_iter()
            .map(|one| one.0)
            .collect();
        assert_eq!(removed.len(), 2, "{removed:?}");
        assert!(removed[0].starts_with("DELETE /images/a:1"), "{removed:?}");
    }

    #[test]
    fn a_name_without_a_tag_is_the_latest() {
        assert_eq!(tagged(" nginx "), "nginx:latest");
        assert_eq!(tagged("localhost:5000/web"), "localhost:5000/web:latest");
        assert_eq!(tagged("redis:8"), "redis:8");
        assert_eq!(tagged("a/b@sha256:0"), "a/b@sha256:0");
    }

    #[test]
    fn a_pull_tells_of_layers_and_of_the_image() {
        let of = |value| progress(serde_json::from_value(value).unwrap());
        let layer = json!({
            "id": "0123456789ab", "status": "Downloading",
            "progressDetail": { "current": 5, "total": 9 },
        });
        assert_eq!(
            of(layer),
            PullPiece::Layer {
                id: "0123456789ab".into(),
                status: "Downloading".into(),
                current: 5,
                total: 9,
            }
        );
        let whole = json!({ "id": "latest", "status": "Pulling from library/nginx" });
        assert!(matches!(of(whole), PullPiece::Note { text } if text.starts_with("Pulling")));
    }
}
