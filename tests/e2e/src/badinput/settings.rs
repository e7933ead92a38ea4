use std::fs;

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use super::refuses;
use crate::suite::contains;

pub(super) fn unknown_or_out_of_range(coracle: &Coracle) -> Result<()> {
    let file = coracle.paths().settings_file();
    let before = fs::read(&file)?;
    let set = |key: &str, value: &str| coracle.coracle(["config", "set", "--", key, value]);
    refuses(
        set("no.such", "1"),
        3,
        &["no.such", "`coracle config list`"],
    )?;
    refuses(
        coracle.coracle(["config", "get", "no.such"]),
        3,
        &["no.such"],
    )?;
    refuses(
        set("vm.cpus", "100000"),
        3,
        &["vm.cpus", "from 1 to", "100000"],
    )?;
    refuses(set("vm.cpus", "-1"), 3, &["vm.cpus", "from 1 to"])?;
    refuses(set("vm.memory_mib", "lots"), 3, &["vm.memory_mib", "lots"])?;
    refuses(set("vm.disk_gib", "1e99"), 3, &["vm.disk_gib"])?;
    for (address, why) in [("localhost", "127.0.0.1"), ("192.0.2.1", "cannot listen")] {
        refuses(
            set("ports.address", address),
            3,
            &["ports.address", address, why],
        )?;
    }
    refuses(
        coracle.coracle(["start", "--cpus", "100000"]),
        3,
        &["vm.cpus", "from 1 to"],
    )?;
    refuses(
        coracle.coracle(["start", "--memory", "900TiB"]),
        3,
        &["vm.memory_mib"],
    )?;
    ensure!(fs::read(&file)? == before, "a refused value was written");
    ensure!(
        coracle.status()?["vm"]["state"] == "stopped",
        "something was started"
    );
    Ok(())
}

pub(super) fn shared_folder_that_is_not_there(coracle: &Coracle) -> Result<()> {
    let missing = coracle.home().join("missing").display().to_string();
    refuses(
        coracle.coracle(["config", "set", "shares", &missing]),
        3,
        &[&missing, "make it"],
    )?;
    // One that was there when it was set.
    let file = coracle.paths().settings_file();
    let text = serde_json::json!({ "shares": [&missing] }).to_string();
    fs::write(&file, &text)?;
    refuses(coracle.coracle(["start"]), 3, &[&missing, "make it"])?;
    let status = coracle.coracle(["status"]).run()?;
    ensure!(status.status.code() == Some(4), "{}", status.all());
    contains(&status.text(), &["stopped", &missing])?;
    ensure!(fs::read_to_string(&file)? == text, "the file was changed");
    // The daemon is up, so the remedy can be taken.
    let home = coracle.home().display().to_string();
    coracle.coracle(["config", "set", "shares", &home]).ok()?;
    Ok(())
}

const BROKEN: &str = "{\n  \"vm.cpus\": 2,\n  \"shares\": [\"/srv\"\n";

pub(super) fn broken_file(coracle: &Coracle) -> Result<()> {
    let file = coracle.paths().settings_file();
    for (text, place, why) in [
        (BROKEN, "line 4", "ends too early"),
        ("{\n\"vm.cpus\": two}", "line 2", "expected"),
        ("{\n\"vm.cpus\": 0}", "line 2", "vm.cpus must be"),
        ("{\"version\": 99}", "line 1", "update Coracle"),
        ("\u{feff}", "line 1", "expected value"),
    ] {
        fs::write(&file, text)?;
        let named = file.display().to_string();
        for verb in [&["start"][..], &["config", "list"]] {
            refuses(
                coracle.coracle(verb),
                3,
                &[&named, place, why, "move it away"],
            )?;
        }
        ensure!(fs::read_to_string(&file)? == text, "the file was changed");
    }
    refuses(coracle.coracle(["status"]), 9, &["`coracle start`"])?;
    fs::rename(&file, file.with_extension("aside"))?;
    coracle.coracle(["config", "list"]).ok()?;
    Ok(())
}

pub(super) fn file_broken_under_a_daemon(coracle: &Coracle) -> Result<()> {
    coracle.coracle(["config", "list"]).ok()?;
    let daemon = coracle.daemon()?;
    let file = coracle.paths().settings_file();
    fs::write(&file, BROKEN)?;
    for verb in [
        &["start"][..],
        &["config", "list"],
        &["config", "set", "vm.cpus", "1"],
    ] {
        refuses(coracle.coracle(verb), 3, &["line 4", "ends too early"])?;
    }
    ensure!(fs::read_to_string(&file)? == BROKEN, "the file was changed");
    ensure!(coracle.daemon()? == daemon, "the daemon is another one");
    fs::write(&file, "{}")?;
    coracle.coracle(["config", "set", "vm.cpus", "1"]).ok()?;
    Ok(())
}

pub(super) fn unusable_state_folders(coracle: &Coracle) -> Result<()> {
    let start = |home: &str| coracle.coracle(["start"]).env("CORACLE_HOME", home);
    refuses(start("relative"), 3, &["CORACLE_HOME", "absolute"])?;
    let long = format!("/tmp/{}", "x".repeat(120));
    refuses(start(&long), 3, &["too long", "CORACLE_HOME"])?;
    let file = coracle.home().join("file");
    fs::write(&file, "precious")?;
    let named = file.display().to_string();
    refuses(start(&named), 10, &[&named])?;
    ensure!(fs::read(&file)? == b"precious", "it was changed");
    Ok(())
}
