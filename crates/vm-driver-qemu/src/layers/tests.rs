use std::path::PathBuf;
use std::process::Command;

use super::*;

struct Place {
    _folder: tempfile::TempDir,
    driver: QemuDriver,
    disk: PathBuf,
    layer: PathBuf,
}

/// A disk of 4 MiB full of ones, and a layer; None where there are no programs for it.
async fn place() -> Option<Place> {
    let programs = ["qemu-img", "qemu-io"].map(find_program);
    if programs.iter().any(Option::is_none) {
        eprintln!("not tested: it takes qemu-img and qemu-io");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (disk, layer) = (folder.path().join("d.raw"), folder.path().join("d.qcow2"));
    fs::write(&disk, vec![1; 4 << 20]).unwrap();
    let driver = QemuDriver::new(folder.path());
    driver.create(&disk, &layer).await.unwrap();
    Some(Place {
        _folder: folder,
        driver,
        disk,
        layer,
    })
}

impl Place {
    /// As a guest would do it.
    fn io(&self, command: &str) {
        let mut io = Command::new(find_program("qemu-io").unwrap());
        let output = io.args(["-f", "qcow2", "-c", command]).arg(&self.layer);
        let output = output.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let good = output.status.success() && !said.contains("failed");
        assert!(good, "{command}: {said}");
    }

    async fn tag(&self, tag: &str) {
        let args = ["snapshot", "-c", tag];
        self.driver.qemu_img(&args, &[&self.layer]).await.unwrap();
    }
}

#[tokio::test]
async fn a_layer_goes_back_and_what_is_under_it_stays() {
    let Some(place) = place().await else { return };
    place.tag("a").await;
    place.io("write -P 2 1M 1M");
    place.tag("b").await;
    place.io("write -P 3 2M 1M");
    place.driver.revert(&place.layer, "b").await.unwrap();
    place.io("read -P 2 1M 1M");
    place.io("read -P 1 2M 1M");
    place.driver.revert(&place.layer, "a").await.unwrap();
    place.io("read -P 1 0 4M");
    assert!(place.driver.revert(&place.layer, "c").await.is_err());
    place.io("read -P 1 0 4M");
    assert_eq!(fs::read(&place.disk).unwrap(), vec![1; 4 << 20]);
}

#[tokio::test]
async fn only_what_has_a_name_is_kept() {
    let Some(place) = place().await else { return };
    for tag in ["a", "b", "c"] {
        place.tag(tag).await;
    }
    let tags = Tags::from(["b".to_owned()]);
    for _ in 0..2 {
        place.driver.keep(&place.layer, &tags).await.unwrap();
    }
    assert!(place.driver.revert(&place.layer, "a").await.is_err());
    place.driver.revert(&place.layer, "b").await.unwrap();
}

#[tokio::test]
async fn a_layer_without_names_is_merged_into_a_disk_that_grows() {
    let Some(place) = place().await else { return };
    place.tag("a").await;
    place.driver.grow(&place.layer, 8 << 20).await.unwrap();
    place.io("write -P 2 6M 1M");
    place.io("discard 0 1M");
    place.driver.keep(&place.layer, &Tags::new()).await.unwrap();
    for _ in 0..2 {
        place.driver.merge(&place.layer).await.unwrap();
    }
    let disk = fs::read(&place.disk).unwrap();
    assert_eq!(disk.len(), 8 << 20);
    assert!(disk[..1 << 20].iter().all(|byte| *byte == 0));
    assert!(disk[1 << 20..4 << 20].iter().all(|byte| *byte == 1));
    assert!(disk[6 << 20..7 << 20].iter().all(|byte| *byte == 2));
}

#[test]
fn what_qemu_img_tells_is_read() {
    let printed = r#"{"format": "qcow2", "snapshots": [{"name": "a", "id": "1"}, {"name": "b"}]}"#;
    assert_eq!(
        tags(printed).unwrap(),
        Tags::from(["a", "b"].map(String::from))
    );
    assert!(tags(r#"{"format": "qcow2"}"#).unwrap().is_empty());
    assert!(tags("no JSON").is_err());
}
