//! What a person does from the first start to the last click, in one window.

use std::fs;
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, http};
use serde_json::Value;

use super::desktop::{Desktop, SAMPLE_PORT};
use super::page::Page;
use super::terminal;
use super::tray::Tray;
use crate::images;

const CONTAINER: &str = "first-sample-web-1";

pub(super) fn from_the_first_run_to_quit(coracle: &Coracle) -> Result<()> {
    let desktop = Desktop::new(coracle)?;
    let (page, tray) = desktop.with_window()?;
    first_run(coracle, &desktop, &page)?;
    sample(coracle, &desktop, &page)?;
    terminal::used_and_left(coracle, &desktop, &page, CONTAINER)?;
    edit(coracle, &desktop, &page)?;
    debug(coracle, &desktop, &page, &tray)?;
    scale(coracle, &page, &tray)?;
    snapshot(coracle, &page, &tray)?;

    tray.click(&["Suspend"])?;
    page.until_text("[data-testid=state]", "Suspended")?;
    eventually("a tray that stands still", || tray.shows("stopped"))?;
    let state = coracle.status()?["vm"]["state"].clone();
    ensure!(state == "suspended", "{state}");
    tray.click(&["Quit"])?;
    eventually("no app", || {
        ensure!(tray.menu().is_err(), "it is still there");
        Ok(())
    })
}

/// The welcome starts the daemon by itself, and the VM with what it is told.
fn first_run(coracle: &Coracle, desktop: &Desktop, page: &Page) -> Result<()> {
    page.until_text("h2", "Welcome")?;
    page.until("[id='welcome-vm.memory_mib']")?;
    page.fill("[id='welcome-vm.memory_mib']", "2560")?;
    desktop.picture("welcome")?;
    page.click("li[aria-label=Start] form button")?;
    page.until_text("[data-testid=started]", "It runs")?;
    let status = coracle.await_running()?;
    ensure!(status["vm"]["memory_mib"] == 2560, "{status}");
    Ok(())
}

/// Runs, opens in the browser, and its log is followed.
fn sample(coracle: &Coracle, desktop: &Desktop, page: &Page) -> Result<()> {
    // There is no registry here.
    let image = images::busybox(coracle)?;
    coracle.docker(["tag", image, "busybox:stable"]).ok()?;
    page.click("li[aria-label=Sample] form button")?;
    page.until_text("[data-testid=sample]", SAMPLE_PORT)?;
    desktop.picture("welcome-sample")?;
    page.click("[data-testid=sample] a")?;
    eventually("the browser", || {
        let opened = desktop.opened()?;
        let wanted = format!("http://localhost:{SAMPLE_PORT}/");
        ensure!(opened.trim() == wanted, "{opened}");
        Ok(())
    })?;
    shows("It runs")?;
    page.click("nav a[href='#/containers']")?;
    page.click(&format!("[aria-label='Logs of {CONTAINER}']"))?;
    page.until_text("[role=log]", "response:200")
}

/// Fails unless the sample's page says this, soon.
fn shows(text: &str) -> Result<()> {
    let address = format!("127.0.0.1:{SAMPLE_PORT}");
    eventually(text, || {
        let page = http::get(&address, "/")?;
        ensure!(page.text().contains(text), "{page:?}");
        Ok(())
    })
}

/// A saved file is followed to the new answer of the port.
fn edit(coracle: &Coracle, desktop: &Desktop, page: &Page) -> Result<()> {
    page.click("nav a[href='#/debug']")?;
    let watched = format!("[data-watched={CONTAINER}]");
    page.until_text(&watched, "no save yet")?;
    let file = coracle.home().join("coracle-sample/page/index.html");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    fs::write(&file, text.replace("It runs", "It was edited"))?;
    page.until_text(&watched, "last save to new answer:")?;
    page.until_text("[data-save] .outcome b", " ms")?;
    desktop.picture("edits")?;
    shows("It was edited")
}

/// Attached from the tray, opened in the editor, stopped in the window.
fn debug(coracle: &Coracle, desktop: &Desktop, page: &Page, tray: &Tray) -> Result<()> {
    let path = ["Containers", "first-sample", CONTAINER, "Debug"];
    eventually("the tray offers it", || tray.offers(&path))?;
    tray.click(&path)?;
    let session = format!("[data-session={CONTAINER}]");
    page.until_text(&session, "gdb")?;
    desktop.picture("debug-session")?;
    let listed = coracle.coracle(["debug", "list", "--json"]).ok()?.stdout;
    let listed: Vec<Value> = serde_json::from_slice(&listed)?;
    let address = listed[0]["address"].as_str().context("no address")?;
    TcpStream::connect(address).context("the debug port is closed")?;

    page.click(&format!("[aria-label='Open {CONTAINER} in the editor']"))?;
    let folder = coracle.home().join("coracle-sample");
    eventually("the editor", || {
        let edited = desktop.edited()?;
        ensure!(edited.trim() == folder.to_string_lossy(), "{edited}");
        Ok(())
    })?;
    let launch = fs::read_to_string(folder.join(".vscode/launch.json"))?;
    ensure!(launch.contains(address), "{launch}");

    let label = format!("{CONTAINER} at {address}");
    eventually("the session in the tray", || {
        tray.offers(&["Debug sessions", &label, "Stop"])
    })?;
    page.click(&format!("[aria-label='Stop debugging {CONTAINER}']"))?;
    eventually("no session", || {
        ensure!(page.text(&session).is_err(), "it is in the window");
        let there = tray.offers(&["Debug sessions", &label, "Stop"]);
        ensure!(there.is_err(), "it is in the tray");
        Ok(())
    })
}

/// A swarm's service gets another replica in the window, and the tray counts it.
fn scale(coracle: &Coracle, page: &Page, tray: &Tray) -> Result<()> {
    coracle.coracle(["swarm", "on"]).ok()?;
    let create = ["service", "create", "--detach", "--name", "tea"];
    let run = [images::BUSYBOX, "sleep", "1000"];
    coracle.docker(create.into_iter().chain(run)).ok()?;
    page.click("nav a[href='#/swarm']")?;
    eventually("one replica", || {
        tray.offers(&["Swarm", "tea – 1 of 1 run", "Replicas"])
    })?;
    page.fill("[aria-label='Replicas of tea']", "2")?;
    page.click("[aria-label='Scale tea']")?;
    eventually("two replicas", || {
        tray.offers(&["Swarm", "tea – 2 of 2 run", "Replicas"])
    })?;
    page.until_text("main", "2: running")?;
    page.until("svg .task ~ .task")?;
    coracle.coracle(["swarm", "off", "--yes"]).ok()?;
    Ok(())
}

/// What was removed after a snapshot is there again.
fn snapshot(coracle: &Coracle, page: &Page, tray: &Tray) -> Result<()> {
    page.click("nav a[href='#/snapshots']")?;
    page.fill("#name", "story")?;
    page.click("main form .primary")?;
    page.until("[aria-label='Restore story']")?;
    eventually("the snapshot in the tray", || {
        tray.offers(&["Snapshots", "Restore story"])
    })?;
    coracle.docker(["rm", "--force", CONTAINER]).ok()?;
    tray.click(&["Snapshots", "Restore story"])?;
    page.until_text("dialog", "is lost")?;
    page.click("dialog .danger")?;
    eventually("the container of then", || {
        let state = ["inspect", "--format", "{{.State.Status}}", CONTAINER];
        let state = coracle.docker(state).text()?;
        ensure!(state == "running", "{state}");
        Ok(())
    })?;
    page.until_text("[data-testid=state]", "Running")?;
    shows("It was edited")
}
