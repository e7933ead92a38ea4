use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;

use crate::images;
use crate::suite::contains;

/// What a container does to run out of space: a word that is synced, then as much as there is.
const FILL: &str = "cat /proc/sys/kernel/random/uuid >/data/word && sync && cat /data/word; \
    dd if=/dev/zero of=/data/fill bs=1M";

pub(super) fn full_data_disk(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let vm = |args: &[&str]| coracle.coracle(["shell", "--"]).args(args);
    let free = vm(&["stat", "-f", "-c", "%a %S", "/var/lib/docker"]).text()?;
    let (blocks, size) = free.split_once(' ').context("no free space was told")?;
    let free: u64 = blocks.parse::<u64>()? * size.parse::<u64>()?;
    // Writing so much would take hours: most of it is reserved, the rest written.
    let ballast = "/var/lib/docker/ballast";
    let most = free.saturating_sub(64 << 20).to_string();
    vm(&["fallocate", "-l", &most, ballast]).ok()?;
    let result = with_full_data_disk(coracle, image);
    vm(&["rm", ballast]).ok()?;
    coracle.docker(["volume", "rm", "--force", "full"]).ok()?;
    result?;
    coracle.docker(["run", "--rm", image, "true"]).ok()?;
    ensure!(
        coracle.status()?["degraded"]
            .as_array()
            .is_some_and(|reasons| reasons
                .iter()
                .all(|reason| !reason.to_string().contains("data disk"))),
        "it is still told: {}",
        coracle.status()?
    );
    Ok(())
}

fn with_full_data_disk(coracle: &Coracle, image: &str) -> Result<()> {
    let run = ["run", "--rm", "--volume", "full:/data", image, "sh", "-c"];
    let filled = coracle.docker(run).arg(FILL).run()?;
    ensure!(!filled.status.success(), "the disk took it all");
    contains(&filled.all(), &["No space left on device"])?;
    let word = filled.text();
    let word = word.lines().next().context("no word was written")?;
    // The engine lives, and says why it cannot do more.
    coracle.docker(["ps"]).ok()?;
    coracle.docker(["volume", "inspect", "full"]).ok()?;
    let status = coracle.status()?;
    ensure!(status["engine"]["ready"] == true, "{status}");
    let degraded = status["degraded"].to_string();
    contains(&degraded, &["data disk is", "full", "docker system prune"])?;
    // What was written before is there; what is deleted gives room again.
    let read = coracle
        .docker(run)
        .arg("cat /data/word; rm /data/fill; sync")
        .text()?;
    ensure!(read == word, "{read} instead of {word}");
    Ok(())
}
