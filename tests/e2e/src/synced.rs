//! A word on a volume that must be there whatever happens to the VM.

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use crate::images;

/// Writes a word to the volume and syncs; the word.
pub(crate) fn write_synced(coracle: &Coracle, volume: &str) -> Result<String> {
    let image = images::busybox(coracle)?;
    let mount = format!("{volume}:/kept");
    let script = "cat /proc/sys/kernel/random/uuid >/kept/word && sync && cat /kept/word";
    coracle
        .docker(["run", "--rm", "--volume", &mount, image, "sh", "-c", script])
        .text()
}

/// Fails unless the volume has the word.
pub(crate) fn check_synced(coracle: &Coracle, volume: &str, word: &str) -> Result<()> {
    let mount = format!("{volume}:/kept");
    let run = ["run", "--rm", "--volume", &mount, images::BUSYBOX];
    let found = coracle.docker(run).args(["cat", "/kept/word"]).text()?;
    ensure!(
        found == word,
        "the volume has {found:?}, and {word:?} was synced"
    );
    Ok(())
}
