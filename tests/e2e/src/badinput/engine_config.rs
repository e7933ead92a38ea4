//! Configurations that the engine does not take.

use std::fs;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;

use super::refuses;
use crate::images;
use crate::suite::contains;

const KEY: &str = "engine.config";

/// What dockerd itself says of a key that it does not know.
const WORDS: &str = "the following directives don't match any configuration option: colour";

/// The setting is the default's again when this is dropped.
struct Restored<'a>(&'a Coracle);

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        // A test that failed for another reason is told of that one.
        let _ = self.0.coracle(["config", "set", KEY, "null"]).run();
    }
}

pub(super) fn refused_by_the_running_engine(coracle: &Coracle) -> Result<()> {
    let _restored = Restored(coracle);
    let image = images::busybox(coracle)?;
    let id = coracle.background([image, "sleep", "1000"])?;
    let file = coracle.paths().settings_file();
    let before = fs::read(&file)?;
    let set = |value| coracle.coracle(["config", "set", KEY, value]);
    refuses(set(r#"{"colour": "red"}"#), 3, &[KEY, WORDS])?;
    refuses(set(r#"{"debug": "often"}"#), 3, &[KEY, "bool"])?;
    refuses(set(r#"{"dns": ["nowhere"]}"#), 3, &[KEY, "nowhere"])?;
    ensure!(fs::read(&file)? == before, "a refused value was written");
    ensure!(
        coracle.status()?["engine"]["ready"] == true,
        "the engine is not ready"
    );
    ensure!(runs(coracle, &id)?, "the container is gone");
    set(r#"{"debug": true}"#).ok()?;
    Ok(())
}

/// The file may be edited by hand, and nobody is asked while the VM is off.
pub(super) fn refused_at_start(coracle: &Coracle) -> Result<()> {
    let restored = Restored(coracle);
    let image = images::busybox(coracle)?;
    let id = coracle.background(["--restart", "always", image, "sleep", "1000"])?;
    coracle.coracle(["stop", "--shutdown"]).ok()?;
    let wrong = r#"{"colour": "red"}"#;
    coracle.coracle(["config", "set", KEY, wrong]).ok()?;

    let started = coracle.coracle(["start"]).run()?;
    contains(&started.all(), &[WORDS, KEY])?;
    ensure!(started.status.success(), "{}", started.all());
    coracle.await_running()?;
    ensure!(runs(coracle, &id)?, "the container is gone");
    let status = coracle.status()?;
    let degraded = status["degraded"].as_array().context("no list")?;
    ensure!(
        degraded.iter().any(|one| {
            let said = one.as_str().unwrap_or_default();
            [WORDS, KEY, "coracle restart"]
                .iter()
                .all(|part| said.contains(part))
        }),
        "{degraded:?}"
    );
    // What is wrong is still there to be corrected.
    let kept = coracle.coracle(["config", "get", KEY]).text()?;
    contains(&kept, &["colour"])?;

    // A suspended VM goes on with what it has.
    coracle.coracle(["stop"]).ok()?;
    coracle.coracle(["start"]).ok()?;
    ensure!(
        runs(coracle, &id)?,
        "the container is gone after a suspension"
    );

    drop(restored);
    coracle.coracle(["restart"]).ok()?;
    coracle.await_running()?;
    ensure!(
        runs(coracle, &id)?,
        "the container is gone after the remedy"
    );
    let said = coracle.coracle(["status"]).text()?;
    ensure!(!said.contains("colour"), "{said}");
    Ok(())
}

fn runs(coracle: &Coracle, id: &str) -> Result<bool> {
    let format = "{{.State.Running}}";
    let state = coracle.docker(["inspect", "--format", format, id]).text()?;
    Ok(state == "true")
}
