use std::fs;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::page::Swarm;
use crate::images;
use crate::suite::contains;

pub(super) fn secrets_and_configs(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let work = coracle.work("secrets")?;
    let file = work.join("config");
    fs::write(&file, "of a file")?;
    coracle
        .docker(["secret", "create", "word", "-"])
        .stdin("of stdin")
        .ok()?;
    coracle
        .docker(["config", "create", "page"])
        .arg(&file)
        .ok()?;
    let script = "cat /run/secrets/word /etc/page; stat -c '%a %U' /run/secrets/word; sleep 1000";
    swarm
        .service("create", &["--name", "reader", "--stop-signal", "KILL"])
        .args([
            "--secret",
            "word",
            "--config",
            "source=page,target=/etc/page",
        ])
        .args([images::BUSYBOX, "sh", "-c", script])
        .ok()?;
    eventually("both texts", || {
        let log = swarm.service("logs", &["--raw", "reader"]).ok()?.all();
        contains(&log, &["of stdinof a file", "444 root"])
    })?;
    // The engine gives no secret back.
    let told = coracle.docker(["secret", "inspect", "word"]).ok()?.all();
    ensure!(!told.contains("of stdin"), "{told}");
    Ok(())
}

pub(super) fn names_on_an_overlay_network(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let network = "names-test";
    coracle
        .docker(["network", "create", "--driver", "overlay", network])
        .ok()?;
    swarm.pages("named", &["--network", network, "--replicas", "2"])?;
    let script = "until wget -q -O - http://named/cgi-bin/page; do sleep 1; done; \
        nslookup tasks.named. | grep -c '^Address.*10\\.'; sleep 1000";
    swarm
        .service("create", &["--name", "asking", "--stop-signal", "KILL"])
        .args(["--network", network, images::BUSYBOX, "sh", "-c", script])
        .ok()?;
    eventually("a page by the service's name and two addresses", || {
        let log = swarm.service("logs", &["--raw", "asking"]).ok()?.text();
        let lines: Vec<_> = log.lines().collect();
        ensure!(lines.len() == 2, "{log}");
        ensure!(lines[0].ends_with(" 1") && lines[1] == "2", "{log}");
        Ok(())
    })?;
    swarm.service("rm", &["asking", "named"]).ok()?;
    eventually("a removed network", || {
        coracle.docker(["network", "rm", network]).ok()
    })?;
    Ok(())
}
