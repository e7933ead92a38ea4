use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;

use crate::images;
use crate::skips::Skip;
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

/// The whole life of a Coracle whose file system is too small for its data disk, as a script in a mount
/// namespace, in which alone that file system is seen.
const LIFE: &str = r#"
mount -t tmpfs -o size=600m tmpfs "$CORACLE_HOME"
say() { echo "== $*"; }
quit() { coracle stop --quit --shutdown >/dev/null; }
trap quit EXIT
coracle start --memory 1536 --disk 4 >&2
docker load --input "$SAMPLE" >&2
free=$(df --block-size=1M --output=avail "$CORACLE_HOME" | tail -1)
head -c "$((free - 40))M" /dev/zero >"$CORACLE_HOME/ballast"
say word; docker run --rm --volume kept:/data "$IMAGE" sh -c 'cat /proc/sys/kernel/random/uuid | tee /data/word; sync'
docker run --detach --name fill --volume kept:/data "$IMAGE" sh -c 'head -c 100000000 /dev/urandom >/data/fill; sync; sha256sum /data/fill' >/dev/null
while ! coracle status | grep 'disk is full'; do sleep 1; done
say code; code=0; coracle status >/dev/null || code=$?; echo $code
rm "$CORACLE_HOME/ballast"
say exit; docker wait fill
say read; docker run --rm --volume kept:/data "$IMAGE" cat /data/word
say sums; docker logs fill; docker run --rm --volume kept:/data "$IMAGE" sha256sum /data/fill
while coracle status | grep 'disk is full' >/dev/null; do sleep 1; done
say restarts; coracle status --json | grep -o '"restarts": *[0-9]*' | tr -d ' '
"#;

pub(super) fn full_host(coracle: &Coracle) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Skip("only root can give a VM a small file system".into()).into());
    }
    // Two VMs at once are too much for a small machine.
    coracle.coracle(["stop", "--shutdown"]).ok()?;
    let second = Coracle::unstarted()?;
    let programs = second.places().programs.display().to_string();
    let docker = second.docker(["version"]).into_command();
    let folder = std::path::Path::new(docker.get_program())
        .parent()
        .context("docker has no folder")?
        .display()
        .to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let outcome = second
        .program("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec", LIFE])
        .env("PATH", format!("{programs}:{path}:{folder}"))
        .env("SAMPLE", second.places().samples.join("busybox.tar"))
        .env("IMAGE", images::BUSYBOX)
        .ok();
    drop(second);
    coracle.coracle(["start"]).ok()?;
    coracle.await_running()?;
    judge(&outcome?.text())
}

fn judge(text: &str) -> Result<()> {
    let part = |name: &str| -> Result<Vec<&str>> {
        let from = text
            .split_once(&format!("== {name}\n"))
            .with_context(|| format!("no {name} in\n{text}"))?
            .1;
        let to = from.find("== ").unwrap_or(from.len());
        Ok(from[..to].trim().lines().collect())
    };
    let word = part("word")?;
    ensure!(
        word[0] == part("read")?[0],
        "the word is another one:\n{text}"
    );
    ensure!(
        word[1].contains("free some space"),
        "no remedy in {}",
        word[1]
    );
    ensure!(part("code")? == ["0"], "the engine is not up:\n{text}");
    ensure!(part("exit")? == ["0"], "the container failed:\n{text}");
    let sums = part("sums")?;
    ensure!(sums.len() == 2 && sums[0] == sums[1], "{sums:?}");
    ensure!(part("restarts")? == ["\"restarts\":0"], "{text}");
    Ok(())
}
