//! What the panes of the engine show of the real one.

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::desktop::Desktop;
use super::terminal;
use crate::images;

pub(super) fn a_terminal_in_a_container(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    coracle.background(["--name", "gui-terminal", "--init", image, "sleep", "1000"])?;
    let desktop = Desktop::new(coracle)?;
    let (page, _tray) = desktop.with_window()?;
    terminal::used_and_left(coracle, &desktop, &page, "gui-terminal")?;

    // Processors and memory, which the engine tells second by second.
    page.until_text("[data-container=gui-terminal]", " %")?;
    page.click("[aria-label='Usage of gui-terminal']")?;
    page.until("[role=img][aria-label*=' KiB'], [role=img][aria-label*=' MiB']")?;
    desktop.picture("window-usage")
}

pub(super) fn what_the_engine_keeps(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    coracle.docker(["volume", "create", "gui-kept"]).ok()?;
    coracle.docker(["network", "create", "gui-net"]).ok()?;
    let mounted = ["--volume", "gui-kept:/kept", "--network", "gui-net"];
    let name = ["--name", "gui-keeper", "--init"];
    let writes = "echo there >/kept/file; echo new >/new; sleep 1000";
    let run = [&name[..], &mounted[..], &[image, "sh", "-c", writes]].concat();
    coracle.background(run)?;
    let desktop = Desktop::new(coracle)?;
    let (page, _tray) = desktop.with_window()?;
    page.until("[data-container=gui-keeper]")?;

    page.click("nav a[href='#/images']")?;
    page.until_text(&format!("[data-image^='{image}']"), "gui-keeper")?;
    page.click("nav a[href='#/networks']")?;
    page.until_text("[data-network=gui-net]", "gui-keeper")?;
    page.click("nav a[href='#/volumes']")?;
    page.until_text("[data-volume=gui-kept]", "gui-keeper")?;
    page.until_text("[data-volume=gui-kept]", " B")?;

    page.click("nav a[href='#/containers']")?;
    page.click("[aria-label='Logs of gui-keeper']")?;
    page.click("a[href^='#/containers/files/']")?;
    page.until_text("[role=table]", "/new")?;
    page.click("a[href^='#/containers/inspect/']")?;
    page.until_text("[role=log]", "\"Running\": true")?;

    coracle.docker(["rm", "--force", "gui-keeper"]).ok()?;
    page.click("nav a[href='#/volumes']")?;
    page.until_text("[data-volume=gui-kept]", "unused")?;
    page.click("[aria-label='Remove gui-kept']")?;
    page.until_text("dialog", "is lost")?;
    page.click("dialog .danger")?;
    eventually("no volume", || {
        let all = coracle.docker(["volume", "ls", "--quiet"]).text()?;
        ensure!(!all.contains("gui-kept"), "{all}");
        ensure!(page.text("[data-volume=gui-kept]").is_err());
        Ok(())
    })?;
    coracle.docker(["network", "rm", "gui-net"]).ok()?;
    Ok(())
}
