use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use super::refuses;

pub(super) fn file_in_the_way(coracle: &Coracle) -> Result<()> {
    let paths = coracle.paths();
    for place in [paths.engine_socket(), paths.daemon_socket()] {
        fs::write(&place, "precious")?;
        let named = place.display().to_string();
        refuses(
            coracle.coracle(["start"]),
            10,
            &[&named, "not a socket", "move it away"],
        )?;
        ensure!(fs::read(&place)? == b"precious", "{named} was changed");
        fs::remove_file(&place)?;
    }
    coracle.coracle(["config", "list"]).ok()?;
    Ok(())
}

pub(super) fn socket_of_another_program(coracle: &Coracle) -> Result<()> {
    let place = coracle.paths().engine_socket();
    let theirs = UnixListener::bind(&place)?;
    let named = place.display().to_string();
    refuses(
        coracle.coracle(["start"]),
        10,
        &[&named, "another program listens", "end that one"],
    )?;
    ensure!(
        fs::metadata(&place)?.file_type().is_socket(),
        "their socket is gone"
    );
    drop(theirs);
    // Nobody listens on it any more.
    coracle.coracle(["config", "list"]).ok()?;
    Ok(())
}

pub(super) fn silent_program_on_the_daemons_socket(coracle: &Coracle) -> Result<()> {
    let place = coracle.paths().daemon_socket();
    let _theirs = UnixListener::bind(&place)?;
    let named = place.display().to_string();
    for verb in [&["start"][..], &["status"], &["stop"]] {
        refuses(coracle.coracle(verb), 9, &[&named, "end its process"])?;
    }
    ensure!(place.exists(), "their socket is gone");
    Ok(())
}

pub(super) fn dead_daemon(coracle: &Coracle) -> Result<()> {
    coracle.coracle(["config", "set", "vm.cpus", "1"]).ok()?;
    let first = coracle.daemon()?;
    process::kill(first)?;
    eventually("the daemon's end", || {
        ensure!(!process::is_alive(first), "it lives");
        Ok(())
    })?;
    let paths = coracle.paths();
    for left in [
        paths.engine_socket(),
        paths.daemon_socket(),
        paths.lock_file(),
    ] {
        ensure!(left.exists(), "{} is not left over", left.display());
    }
    refuses(coracle.coracle(["status"]), 9, &["`coracle start`"])?;
    coracle.coracle(["stop"]).ok()?;
    // The id in the lock file may be another program's by now.
    fs::write(paths.lock_file(), format!("{}\n", std::process::id()))?;
    let cpus = coracle.coracle(["config", "get", "vm.cpus"]).text()?;
    ensure!(cpus.contains('1'), "the setting is lost: {cpus}");
    ensure!(coracle.daemon()? != first, "it is the same daemon");
    Ok(())
}
