//! What a person does in a container's terminal.

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::desktop::Desktop;
use super::page::Page;

/// WebDriver's letter for Enter.
const ENTER: char = '\u{e007}';

/// A container's shell answers in the window, and what runs in it ends when its pane is left for the list
/// of containers.
pub(super) fn used_and_left(
    coracle: &Coracle,
    desktop: &Desktop,
    page: &Page,
    container: &str,
) -> Result<()> {
    page.click("nav a[href='#/containers']")?;
    page.click(&format!("[aria-label='Terminal in {container}']"))?;
    page.until_text(".xterm-rows", "/ #")?;
    let keys = ".xterm-helper-textarea";
    page.keys(keys, &format!("echo $((6*7)){ENTER}"))?;
    page.until_text(".xterm-rows", "42")?;
    desktop.picture("window-terminal")?;

    page.keys(keys, &format!("sleep 987{ENTER}"))?;
    let processes = || coracle.docker(["top", container]).text();
    eventually("sleep in the terminal", || {
        let found = processes()?;
        ensure!(found.contains("sleep 987"), "{found}");
        Ok(())
    })?;
    page.click("nav a[href='#/containers']")?;
    eventually("the end of what ran in the terminal", || {
        let found = processes()?;
        ensure!(!found.contains("sleep 987"), "{found}");
        Ok(())
    })
}
