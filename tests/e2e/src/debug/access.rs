use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::session::{Busy, Session, converse, packet};
use crate::skips::Skip;

/// The gateway leads to every listener on the host's loopback, in the name of this user.
pub(super) fn not_from_a_container_through_the_gateway(coracle: &Coracle) -> Result<()> {
    const GATEWAY: &str = "192.168.65.2";
    let busy = Busy::in_busybox(coracle, "guarded")?;
    let session = Session::begin(coracle, &busy.name)?;
    let address = session.address()?;
    ensure!(address.starts_with("127.0.0.1:"), "{address}");
    let port = address.rsplit(':').next().unwrap_or_default();
    let script = format!("(printf '+$?#3f'; sleep 3) | nc -w 5 {GATEWAY} {port}");
    let heard = coracle
        .docker(["run", "--rm", crate::images::BUSYBOX, "sh", "-c", &script])
        .run()?;
    ensure!(
        heard.text().is_empty(),
        "a container heard {:?}",
        heard.text()
    );
    // It did come to the port, and was known there.
    let log = coracle.paths().daemon_log();
    eventually("the refusal", || {
        let log = std::fs::read_to_string(&log)?;
        ensure!(log.contains("OurChild"), "no word of it in the log");
        Ok(())
    })?;
    busy.goes_on()?;
    // The same from here.
    let told = converse(&mut session.connect()?, &packet("?"))?;
    ensure!(told.contains("$T05"), "{told}");
    busy.goes_on()?;
    coracle.coracle(["debug", "stop", &busy.name]).ok()?;
    Ok(())
}

/// The loopback device is everybody's on this host; only root can be somebody else here.
pub(super) fn not_by_another_user(coracle: &Coracle) -> Result<()> {
    const NOBODY: u32 = 65534;
    if !nix::unistd::geteuid().is_root() {
        return Err(Skip("only root can run a program as another user".into()).into());
    }
    let busy = Busy::in_busybox(coracle, "private")?;
    let session = Session::begin(coracle, &busy.name)?;
    let port = session.address()?.rsplit(':').next().unwrap_or_default();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf '+$?#3f' >&3; cat <&3");
    let heard = Command::new("bash")
        .args(["-c", &script])
        .uid(NOBODY)
        .output()?;
    ensure!(heard.stdout.is_empty(), "another user heard {heard:?}");
    // It did come to the port, and was known there.
    let log = std::fs::read_to_string(coracle.paths().daemon_log())?;
    ensure!(log.contains("AnotherUser"), "no word of it in the log");
    busy.goes_on()?;
    coracle.coracle(["debug", "stop", &busy.name]).ok()?;
    Ok(())
}
