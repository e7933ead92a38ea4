use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use crate::images;

/// Waited for what must not come: longer than any reload takes.
const QUIET: Duration = Duration::from_secs(4);

/// A container of busybox that has the folder at /app; `labels` are `NAME=VALUE` below
/// `dev.coracle.reload`.
fn started(coracle: &Coracle, folder: &Path, labels: &[&str], script: &str) -> Result<String> {
    let image = images::busybox(coracle)?;
    let mount = format!("{}:/app", folder.display());
    let labels = labels
        .iter()
        .map(|label| format!("--label=dev.coracle.reload{label}"));
    let mut options: Vec<String> = labels.collect();
    options.extend(["--volume".into(), mount, image.into()]);
    options.extend(["sh", "-c", script].map(String::from));
    coracle.background(options)
}

fn log(coracle: &Coracle, container: &str) -> Result<String> {
    coracle.docker(["logs", container]).text()
}

/// How often the container has started.
fn starts(coracle: &Coracle, container: &str) -> Result<usize> {
    let log = log(coracle, container)?;
    Ok(log.lines().filter(|line| *line == "started").count())
}

const STARTED: &str = "echo started; cat /app/text; exec sleep 100000";

pub(super) fn each_label_does_what_it_says(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("reload-labels")?;
    fs::write(folder.join("text"), "one\n")?;
    let restarted = started(coracle, &folder, &["=restart"], STARTED)?;
    let hears = "trap 'echo heard; cat /app/text' HUP; echo started; while :; do sleep 0.2; done";
    let signalled = started(coracle, &folder, &["=signal:HUP"], hears)?;
    let shell = started(
        coracle,
        &folder,
        &["=exec:cat /app/text >/seen; echo $0 >>/seen"],
        STARTED,
    )?;
    let words = started(
        coracle,
        &folder,
        &[r#"=exec:["cp", "/app/text", "/a copy"]"#],
        STARTED,
    )?;
    let untouched = started(coracle, &folder, &[], STARTED)?;
    for container in [&restarted, &signalled, &shell, &words, &untouched] {
        coracle.await_log(container, "started")?;
    }
    fs::write(folder.join("text"), "two\n")?;
    eventually("every reload", || {
        let found = log(coracle, &restarted)?;
        ensure!(found == "started\none\nstarted\ntwo", "restarted: {found}");
        let found = log(coracle, &signalled)?;
        ensure!(found == "started\nheard\ntwo", "signalled: {found}");
        let inside =
            |container: &str, file: &str| coracle.docker(["exec", container, "cat", file]).text();
        ensure!(inside(&shell, "/seen")? == "two\n/bin/sh", "no shell");
        ensure!(inside(&words, "/a copy")? == "two", "no command");
        Ok(())
    })?;
    let found = log(coracle, &untouched)?;
    ensure!(found == "started\none", "without a label: {found}");
    Ok(())
}

pub(super) fn paths_choose_the_files(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("reload-paths")?;
    fs::write(folder.join("text"), "one\n")?;
    fs::create_dir(folder.join("src"))?;
    let labels = ["=restart", ".paths=/app/src, *.conf"];
    let container = started(coracle, &folder, &labels, STARTED)?;
    coracle.await_log(&container, "started")?;
    fs::write(folder.join("text"), "two\n")?;
    std::thread::sleep(QUIET);
    ensure!(
        starts(coracle, &container)? == 1,
        "another file reloaded it"
    );
    for (number, file) in ["src/main.py", "site.conf"].iter().enumerate() {
        fs::write(folder.join(file), "x")?;
        eventually("a reload", || {
            let found = starts(coracle, &container)?;
            ensure!(found == number + 2, "{file}: it started {found} times");
            Ok(())
        })?;
    }
    Ok(())
}

/// A burst of saves is one reload, and what the reload writes into the mounted folder is none.
pub(super) fn what_a_reload_writes_reloads_nothing(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("reload-loops")?;
    fs::write(folder.join("text"), "one\n")?;
    let label = "=exec:echo reloaded >>/app/reloads";
    let container = started(coracle, &folder, &[label], STARTED)?;
    coracle.await_log(&container, "started")?;
    for number in 0..20 {
        fs::write(folder.join(format!("file-{number}")), "x")?;
    }
    let reloads = || fs::read_to_string(folder.join("reloads")).unwrap_or_default();
    eventually("the reload", || {
        ensure!(!reloads().is_empty(), "nothing was written");
        Ok(())
    })?;
    std::thread::sleep(QUIET);
    ensure!(reloads() == "reloaded\n", "it reloaded: {:?}", reloads());
    Ok(())
}

pub(super) fn a_wrong_label_is_told(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("reload-wrong")?;
    fs::write(folder.join("text"), "one\n")?;
    let container = started(coracle, &folder, &["=reboot"], STARTED)?;
    let name = coracle
        .docker(["inspect", "--format", "{{.Name}}", &container])
        .text()?;
    let degraded = || -> Result<String> { Ok(coracle.status()?["degraded"].to_string()) };
    eventually("the sentence", || {
        let found = degraded()?;
        let name = name.trim_start_matches('/');
        ensure!(
            found.contains(name) && found.contains("signal:NAME"),
            "{found}"
        );
        Ok(())
    })?;
    coracle.docker(["rm", "--force", &container]).ok()?;
    eventually("its end", || {
        let found = degraded()?;
        ensure!(!found.contains("signal:NAME"), "{found}");
        Ok(())
    })
}
