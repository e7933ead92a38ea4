use std::fs;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, process};
use serde_json::Value;

use crate::suite::contains;

pub(super) fn second_daemon_is_refused(coracle: &Coracle) -> Result<()> {
    let first = coracle.daemon()?;
    let second = coracle
        .program(coracle.places().programs.join("coracled"))
        .run()?;
    ensure!(
        second.status.code() == Some(8),
        "{}\n{}",
        second.status,
        second.all()
    );
    contains(&second.all(), &[&first.to_string()])?;
    ensure!(
        process::is_alive(first) && coracle.daemon()? == first,
        "the first one is gone"
    );
    ensure!(
        coracle.status()?["engine"]["ready"] == true,
        "the engine is not ready"
    );
    Ok(())
}

pub(super) fn settings_out_of_range_are_refused(coracle: &Coracle) -> Result<()> {
    let before = fs::read(coracle.paths().settings_file())?;
    let missing = coracle.home().join("missing").display().to_string();
    let state = coracle.paths().home().display().to_string();
    for (key, value, named) in [
        ("vm.cpus", "0", "vm.cpus"),
        ("vm.cpus", "100000", "vm.cpus"),
        ("vm.cpus", "two", "vm.cpus"),
        ("vm.memory_mib", "16", "vm.memory_mib"),
        ("vm.memory_mib", "-1", "vm.memory_mib"),
        ("vm.disk_gib", "0", "vm.disk_gib"),
        ("vm.disk_gib", "1000000000", "vm.disk_gib"),
        ("shares", "relative/folder", "relative/folder"),
        ("shares", &missing, &missing),
        ("shares", &state, &state),
        ("engine.config", "[]", "engine.config"),
        (
            "engine.config",
            r#"{"data-root": "/elsewhere"}"#,
            "data-root",
        ),
        ("no.such.setting", "1", "no.such.setting"),
    ] {
        let outcome = coracle.coracle(["config", "set", key, value]).run()?;
        ensure!(
            outcome.status.code() == Some(3),
            "{key} = {value}: {}\n{}",
            outcome.status,
            outcome.all()
        );
        contains(&outcome.all(), &[named])?;
    }
    ensure!(
        fs::read(coracle.paths().settings_file())? == before,
        "a refused value was written"
    );
    Ok(())
}

pub(super) fn diagnose_has_no_secrets(coracle: &Coracle) -> Result<()> {
    let password = "pass-word-of-a-proxy";
    let config =
        format!(r#"{{"proxies": {{"http-proxy": "http://me:{password}@proxy.invalid:3128"}}}}"#);
    coracle
        .coracle(["config", "set", "engine.config", &config])
        .ok()?;
    let file = coracle.work("diagnose")?.join("report.tar");
    let made = coracle.coracle(["diagnose", "--output"]).arg(&file).run()?;
    coracle
        .coracle(["config", "set", "engine.config", "null"])
        .ok()?;
    made.ok()?;

    let bytes = fs::read(coracle.paths().config_disk())?;
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let boot: Value = serde_json::from_slice(&bytes[..end]).context("the configuration disk")?;
    let secret = boot["secret"]
        .as_str()
        .context("no secret on the configuration disk")?
        .to_owned();

    let report = fs::read(&file)?;
    for word in [password, &secret] {
        let found = report
            .windows(word.len())
            .any(|part| part == word.as_bytes());
        ensure!(!found, "the report holds {word}");
    }
    let mut archive = tar::Archive::new(report.as_slice());
    let mut names = String::new();
    for entry in archive.entries()? {
        names.push_str(&entry?.path()?.to_string_lossy());
        names.push('\n');
    }
    contains(
        &names,
        &[
            "settings.json",
            "status.json",
            "daemon.log",
            "vm.log",
            "engine.log",
        ],
    )
}
