use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use coracle_vm_driver::{DriverError, Snapshots, Tags};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::QemuVm;
use crate::command_line::{layer, text};
use crate::launch::DataDisk;
use crate::migration;
use crate::qmp::Qmp;

/// For what writes a disk's caches and tables.
const DISK_WITHIN: Duration = Duration::from_secs(120);

#[async_trait]
impl Snapshots for QemuVm {
    async fn put_on(&self, file: &Path) -> Result<(), DriverError> {
        let mut disk = self.data_disk().lock().await;
        if !disk.layered {
            put_on(&self.qmp, &disk, file).await?;
            disk.layered = true;
        }
        Ok(())
    }

    async fn take(&self, memory: &Path, tag: &str) -> Result<Duration, DriverError> {
        let disk = self.data_disk().lock().await;
        let state = self.qmp.run_state().await?;
        if state != "running" {
            return Err(refused(format!("the guest does not run now ({state})")));
        }
        let node = layer(&disk.node);
        let tagged = json!({"device": node, "name": tag});
        // Nobody else may continue it meanwhile.
        self.processes.held.store(true, Ordering::SeqCst);
        let keep = async {
            let kept =
                self.qmp
                    .execute_within("blockdev-snapshot-internal-sync", tagged, DISK_WITHIN);
            kept.await.map(drop)
        };
        let saved = migration::save_live(&self.qmp, &self.ram, memory, keep).await;
        self.processes.held.store(false, Ordering::SeqCst);
        // Also after a failure: it may have been paused already.
        migration::go_on(&self.qmp).await?;
        Ok(Instant::now() - saved?)
    }

    async fn keep(&self, tags: &Tags) -> Result<(), DriverError> {
        let disk = self.data_disk().lock().await;
        if !disk.layered {
            return Ok(());
        }
        let node = layer(&disk.node);
        let nodes = self
            .qmp
            .execute_with("query-named-block-nodes", json!({"flat": true}))
            .await?;
        for name in names(&nodes, &node).filter(|name| !tags.contains(*name)) {
            let tagged = json!({"device": node, "name": name});
            let command = "blockdev-snapshot-delete-internal-sync";
            self.qmp
                .execute_within(command, tagged, DISK_WITHIN)
                .await?;
        }
        Ok(())
    }
}

impl QemuVm {
    fn data_disk(&self) -> &tokio::sync::Mutex<DataDisk> {
        let disk = self.data_disk.as_ref();
        disk.expect("who has no disk offers no snapshots")
    }
}

/// From now on the guest writes to the layer.
async fn put_on(qmp: &Qmp, disk: &DataDisk, file: &Path) -> Result<(), DriverError> {
    let node = layer(&disk.node);
    let options = json!({
        "driver": "qcow2",
        "node-name": node,
        "discard": "unmap",
        "detect-zeroes": "unmap",
        "cache": {"direct": false, "no-flush": false},
        "file": {"driver": "file", "filename": text(file)?, "aio": "threads"},
        "backing": null,
    });
    qmp.execute_with("blockdev-add", options).await?;
    let over = json!({"node": disk.node, "overlay": node});
    if let Err(error) = qmp
        .execute_within("blockdev-snapshot", over, DISK_WITHIN)
        .await
    {
        let _ = qmp
            .execute_with("blockdev-del", json!({"node-name": node}))
            .await;
        return Err(error);
    }
    Ok(())
}

/// Under which names a disk's states are kept.
fn names<'a>(nodes: &'a Value, node: &str) -> impl Iterator<Item = &'a str> {
    let nodes = nodes.as_array().map(Vec::as_slice).unwrap_or_default();
    let found = nodes.iter().find(|found| found["node-name"] == node);
    let kept = found.and_then(|node| node["image"]["snapshots"].as_array());
    kept.into_iter()
        .flatten()
        .filter_map(|kept| kept["name"].as_str())
}

fn refused(why: String) -> DriverError {
    DriverError::Io {
        context: "no snapshot can be taken".into(),
        source: std::io::Error::other(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_one_disk() {
        let nodes = json!([
            {"node-name": "disk1", "image": {"filename": "x"}},
            {"node-name": "disk2-layer", "image": {"snapshots": [{"name": "a"}, {"name": "b"}]}},
            {"node-name": "other", "image": {"snapshots": [{"name": "c"}]}},
        ]);
        assert_eq!(names(&nodes, "disk2-layer").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(names(&nodes, "disk1").count(), 0);
        assert_eq!(names(&nodes, "gone").count(), 0);
    }
}
