use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;
use serde_json::Value;

use super::taken::Taken;
use crate::images;
use crate::suite::contains;

/// What is written for the test, in bytes.
const FILL: u64 = 256 << 20;

pub(super) fn page_cache(coracle: &Coracle) -> Result<()> {
    write_to_volume(coracle)?;
    // What was written is in the page cache, and nothing wants the memory for itself.
    let [memory, _] = reclaim(coracle)?;
    ensure!(memory > FILL * 3 / 4, "only {} MiB came back", memory >> 20);
    let read = ["run", "--rm", "--volume", "reclaim:/v", images::BUSYBOX];
    let count = coracle.docker(read).args(["wc", "-c", "/v/fill"]).text()?;
    contains(&count, &[&FILL.to_string()])?;
    coracle.docker(["volume", "rm", "reclaim"]).ok().map(drop)
}

/// As by an engine that was killed before its file system had told of the blocks.
pub(super) fn blocks_that_were_freed_in_silence(coracle: &Coracle) -> Result<()> {
    write_to_volume(coracle)?;
    remount(coracle, "nodiscard")?;
    let before = Taken::of(coracle)?;
    coracle.docker(["volume", "rm", "reclaim"]).ok()?;
    coracle.coracle(["shell", "--", "sync"]).ok()?;
    remount(coracle, "discard")?;
    let silent = Taken::of(coracle)?;
    ensure!(
        silent.disk + FILL / 2 > before.disk,
        "it came back by itself: {before}, then {silent}"
    );
    let [_, disk] = reclaim(coracle)?;
    ensure!(disk > FILL * 3 / 4, "only {} MiB came back", disk >> 20);
    Ok(())
}

pub(super) fn nothing_of_a_vm_that_does_not_run(coracle: &Coracle) -> Result<()> {
    coracle.coracle(["stop"]).ok()?;
    let said = coracle.coracle(["reclaim"]).run()?;
    ensure!(said.status.code() == Some(4), "{}", said.all());
    contains(&said.all(), &["coracle start"])?;
    coracle.coracle(["start"]).ok()?;
    coracle.await_running().map(drop)
}

fn write_to_volume(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let write = format!("head -c {FILL} /dev/urandom >/v/fill && sync");
    let run = ["run", "--rm", "--volume", "reclaim:/v", image];
    coracle.docker(run).args(["sh", "-c", &write]).ok()?;
    Ok(())
}

fn remount(coracle: &Coracle, option: &str) -> Result<()> {
    let option = format!("remount,{option}");
    let mount = [
        "shell",
        "--",
        "mount",
        "-o",
        &option,
        "/var/lib/coracle-data",
    ];
    coracle.coracle(mount).ok().map(drop)
}

/// What the command says that has come back: memory and disk, in bytes.
fn reclaim(coracle: &Coracle) -> Result<[u64; 2]> {
    let told: Value = serde_json::from_str(&coracle.coracle(["reclaim", "--json"]).text()?)?;
    let came_back = |what: &str| {
        let bytes = |when: &str| told[what][when].as_u64().with_context(|| told.to_string());
        Ok::<_, anyhow::Error>(bytes("before_bytes")?.saturating_sub(bytes("after_bytes")?))
    };
    Ok([came_back("memory")?, came_back("disk")?])
}
