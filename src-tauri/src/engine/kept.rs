//! Volumes and networks: what outlives containers.

use std::collections::HashMap;

use bollard::models::{Network, Volume};
use bollard::query_parameters::{ListVolumesOptions, RemoveVolumeOptions};
use coracle_daemon_api::ApiError;
use serde::{Deserialize, Serialize};

use super::{Engine, failed, users, wrong_answer};

/// Compose's name of the app that something belongs to.
const PROJECT: &str = "com.docker.compose.project";

/// Networks that the engine makes for itself and keeps.
const OWN: [&str; 5] = ["bridge", "host", "none", "ingress", "docker_gwbridge"];

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct VolumeInfo {
    /// Its name, which is its id too.
    pub(crate) name: String,
    /// What keeps it.
    pub(crate) driver: String,
    /// Compose's project.
    pub(crate) project: Option<String>,
    /// Whether the engine has named it for one container.
    pub(crate) anonymous: bool,
    /// Containers that mount it, by name.
    pub(crate) users: Vec<String>,
}

/// What a volume takes on the VM's disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct VolumeSize {
    /// The volume.
    pub(crate) name: String,
    /// Null where its driver does not say.
    pub(crate) bytes: Option<u64>,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct NetworkInfo {
    /// The engine's id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// What makes it.
    pub(crate) driver: String,
    /// `local`, or `swarm` for all nodes.
    pub(crate) scope: String,
    /// Addresses in it, as `172.18.0.0/16`.
    pub(crate) subnets: Vec<String>,
    /// Whether nothing leads out of it.
    pub(crate) internal: bool,
    /// Whether the engine needs it and lets nobody remove it.
    pub(crate) own: bool,
    /// Containers in it, by name.
    pub(crate) users: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Disk {
    volumes: Option<Vec<Volume>>,
}

impl Engine {
    /// All volumes, by name.
    pub(crate) async fn volumes(&self) -> Result<Vec<VolumeInfo>, ApiError> {
        let docker = self.docker()?;
        let (listed, containers) = tokio::join!(
            docker.list_volumes(None::<ListVolumesOptions>),
            self.summaries()
        );
        let users = users(&containers?, |one| {
            let mounts = one.mounts.iter().flatten();
            mounts.filter_map(|mount| mount.name.clone()).collect()
        });
        let listed = listed.map_err(failed)?.volumes.unwrap_or_default();
        let mut volumes: Vec<_> = listed.into_iter().map(|one| volume(one, &users)).collect();
        volumes.sort_by(|a, b| (a.anonymous, &a.name).cmp(&(b.anonymous, &b.name)));
        Ok(volumes)
    }

    /// What the volumes take. The engine counts each file of them for it.
    pub(crate) async fn volume_sizes(&self) -> Result<Vec<VolumeSize>, ApiError> {
        let disk = self.read("/system/df?type=volume").await?;
        let disk: Disk = serde_json::from_value(disk).map_err(wrong_answer)?;
        let sizes = disk.volumes.into_iter().flatten().map(|one| VolumeSize {
            name: one.name,
            bytes: one
                .usage_data
                .and_then(|usage| u64::try_from(usage.size).ok()),
        });
        Ok(sizes.collect())
    }

    /// All networks, by name, the engine's own last.
    pub(crate) async fn networks(&self) -> Result<Vec<NetworkInfo>, ApiError> {
        let docker = self.docker()?;
        let (listed, containers) = tokio::join!(docker.list_networks(None), self.summaries());
        let users = users(&containers?, |one| {
            let settings = one.network_settings.as_ref();
            let networks = settings.and_then(|settings| settings.networks.as_ref());
            networks
                .into_iter()
                .flat_map(HashMap::keys)
                .cloned()
                .collect()
        });
        let listed = listed.map_err(failed)?;
        let mut networks: Vec<_> = listed.into_iter().map(|one| network(one, &users)).collect();
        networks.sort_by(|a, b| (a.own, &a.name).cmp(&(b.own, &b.name)));
        Ok(networks)
    }

    /// Removes a volume; the engine refuses while a container mounts it.
    pub(super) async fn remove_volume(&self, name: &str) -> Result<(), ApiError> {
        let options = None::<RemoveVolumeOptions>;
        let removed = self.docker()?.remove_volume(name, options).await;
        removed.map_err(failed)
    }

    /// Removes a network; the engine refuses while a container is in it.
    pub(super) async fn remove_network(&self, id: &str) -> Result<(), ApiError> {
        self.docker()?.remove_network(id).await.map_err(failed)
    }
}

fn volume(volume: Volume, users: &HashMap<String, Vec<String>>) -> VolumeInfo {
    let is_anonymous = volume.labels.contains_key("com.docker.volume.anonymous");
    VolumeInfo {
        driver: volume.driver,
        project: volume.labels.get(PROJECT).cloned(),
        anonymous: is_anonymous,
        users: users.get(&volume.name).cloned().unwrap_or_default(),
        name: volume.name,
    }
}

fn network(network: Network, users: &HashMap<String, Vec<String>>) -> NetworkInfo {
    let name = network.name.unwrap_or_default();
    let ranges = network.ipam.and_then(|ipam| ipam.config);
    NetworkInfo {
        id: network.id.unwrap_or_default(),
        driver: network.driver.unwrap_or_default(),
        scope: network.scope.unwrap_or_default(),
        subnets: ranges
            .into_iter()
            .flatten()
            .filter_map(|range| range.subnet)
            .collect(),
        internal: network.internal.unwrap_or(false),
        own: OWN.contains(&name.as_str()),
        users: users.get(&name).cloned().unwrap_or_default(),
        name,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ContainerSummary;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_network_knows_who_is_in_it() {
        let container: ContainerSummary = serde_json::from_value(json!({
            "Id": "a", "Names": ["/web"], "NetworkSettings": { "Networks": { "shop": {} } },
        }))
        .unwrap();
        let users = users(&[container], |one| {
            let networks = one.network_settings.as_ref().unwrap().networks.as_ref();
            networks.unwrap().keys().cloned().collect()
        });
        let of = |name: &str| {
            let one = json!({
                "Id": "n", "Name": name, "Driver": "bridge", "Scope": "local", "Internal": false,
                "IPAM": { "Config": [{ "Subnet": "172.18.0.0/16" }] },
            });
            network(serde_json::from_value(one).unwrap(), &users)
        };
        let shop = of("shop");
        assert_eq!((shop.own, shop.users), (false, vec!["web".to_owned()]));
        assert_eq!(shop.subnets, ["172.18.0.0/16"]);
        assert!(of("bridge").own);
    }
}
