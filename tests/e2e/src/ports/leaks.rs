use std::io::Write;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use super::peer::Peer;

/// Opens ports and connections, and leaves them.
fn use_some(coracle: &Coracle) -> Result<()> {
    let publish = ["--publish", "5001", "--publish", "5005"];
    let peer = Peer::start(coracle, &publish)?;
    let mut streams = Vec::new();
    for _ in 0..20 {
        for port in [5001, 5005] {
            let mut stream = peer.connect(port)?;
            stream.write_all(b"word")?;
            streams.push(stream);
        }
    }
    let open = process::listeners(coracle.daemon()?)?;
    ensure!(open.len() >= 2, "the daemon listens on {open:?}");
    Ok(())
}

/// Waits until the daemon listens nowhere and has no more descriptors than before.
fn back_to(coracle: &Coracle, descriptors: usize) -> Result<()> {
    let daemon = coracle.daemon()?;
    eventually("closed ports", || {
        let listeners = process::listeners(daemon)?;
        ensure!(listeners.is_empty(), "the daemon listens on {listeners:?}");
        Ok(())
    })?;
    eventually("closed descriptors", || {
        let now = process::descriptors(daemon)?;
        ensure!(
            now <= descriptors,
            "it has {now} descriptors, and had {descriptors}"
        );
        Ok(())
    })
}

pub(super) fn nothing_stays_after_many_containers(coracle: &Coracle) -> Result<()> {
    // The first round may open what stays for good reason.
    use_some(coracle)?;
    coracle.remove_containers()?;
    let daemon = coracle.daemon()?;
    eventually("closed ports", || {
        ensure!(process::listeners(daemon)?.is_empty(), "some are open");
        Ok(())
    })?;
    let descriptors = process::descriptors(daemon)?;
    for _ in 0..2 {
        use_some(coracle)?;
        coracle.remove_containers()?;
    }
    back_to(coracle, descriptors)
}

pub(super) fn nothing_stays_after_the_engine_is_killed(coracle: &Coracle) -> Result<()> {
    let descriptors = process::descriptors(coracle.daemon()?)?;
    use_some(coracle)?;
    let id = coracle
        .coracle(["shell", "--", "busybox", "pidof", "dockerd"])
        .text()?;
    coracle.coracle(["shell", "--", "kill", "-9", &id]).ok()?;
    eventually("another dockerd", || {
        let now = coracle
            .coracle(["shell", "--", "busybox", "pidof", "dockerd"])
            .text()?;
        ensure!(now != id && !now.is_empty(), "still {now}");
        Ok(())
    })?;
    coracle.await_running()?;
    back_to(coracle, descriptors)
}
