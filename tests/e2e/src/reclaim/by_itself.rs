use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use super::taken::Taken;
use crate::images;

const MIB: u64 = 1 << 20;

/// What is taken for the test, and what of it may stay: the guest's kernel gives memory back in
/// pieces of 128 KiB, and keeps what it needed for the rest.
const FILL: u64 = 512 * MIB;
const MAY_STAY: u64 = FILL / 4;

pub(super) fn memory_of_a_container_that_ended(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let before = Taken::of(coracle)?;
    let fill = format!("head -c {FILL} /dev/urandom >/dev/shm/fill && echo filled && sleep 100000");
    coracle.background([
        "--name",
        "fill",
        "--shm-size",
        "600m",
        image,
        "sh",
        "-c",
        &fill,
    ])?;
    coracle.await_log("fill", "filled")?;
    let peak = Taken::of(coracle)?;
    ensure!(
        peak.memory > before.memory + FILL / 2,
        "it was not filled: {before}, then {peak}"
    );
    coracle.docker(["kill", "fill"]).ok()?;
    Taken::await_at_most(coracle, |taken| taken.memory, peak.memory - FILL + MAY_STAY)
}

pub(super) fn disk_of_a_deleted_volume_and_image(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let before = Taken::of(coracle)?;
    let write = format!("head -c {FILL} /dev/urandom >/v/fill && sync");
    let run = ["run", "--rm", "--volume", "reclaim:/v", image];
    coracle.docker(run).args(["sh", "-c", &write]).ok()?;
    let work = coracle.work("reclaim")?;
    std::fs::write(work.join("noise"), images::noise(64 << 20))?;
    let tar = work.join("layer.tar");
    let packed = coracle.program("tar").arg("-cf").arg(&tar);
    packed.arg("-C").arg(&work).arg("noise").ok()?;
    let import = coracle.docker(["import"]).arg(&tar).arg("reclaimed");
    import.ok()?;
    coracle.coracle(["shell", "--", "sync"]).ok()?;
    let peak = Taken::of(coracle)?;
    ensure!(
        peak.disk > before.disk + FILL + 60 * MIB,
        "it was not filled: {before}, then {peak}"
    );
    coracle.docker(["volume", "rm", "reclaim"]).ok()?;
    Taken::await_at_most(coracle, |taken| taken.disk, peak.disk - FILL + 8 * MIB)?;
    coracle.docker(["image", "rm", "reclaimed"]).ok()?;
    Taken::await_at_most(coracle, |taken| taken.disk, before.disk + 16 * MIB)?;
    Ok(std::fs::remove_dir_all(work)?)
}
