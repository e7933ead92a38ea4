//! What a person does with tray and window.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::desktop::Desktop;
use super::menu::find;
use super::tray::Tray;
use crate::images;
use crate::suspend::idle::{self, Sleepy};

pub(super) fn the_tray_suspends_and_starts(coracle: &Coracle) -> Result<()> {
    let desktop = Desktop::new(coracle)?;
    let (_app, tray) = desktop.in_tray()?;
    eventually("a tray that runs", || {
        tray.shows("running").or_else(|_| tray.shows("degraded"))
    })?;
    tray.offers(&["Suspend"])?;
    ensure!(tray.offers(&["Start"]).is_err(), "it runs already");

    tray.click(&["Suspend"])?;
    together(coracle, &tray, "suspended", &["Coracle: suspended"])?;
    tray.shows("stopped")?;

    tray.click(&["Start"])?;
    together(coracle, &tray, "running", &["Coracle: running"])?;
    eventually("Suspend again", || tray.offers(&["Suspend"]))?;
    coracle.await_running()?;
    Ok(())
}

pub(super) fn the_vm_comes_with_the_session(coracle: &Coracle) -> Result<()> {
    coracle.coracle(["stop", "--quit"]).ok()?;
    let desktop = Desktop::new(coracle)?;
    let help = desktop.app()?.arg("--help").text()?;
    ensure!(help.contains("--start"), "{help}");
    let (_app, tray) = desktop.at_login()?;
    eventually("a tray that runs", || tray.offers(&["Suspend"]))?;
    coracle.await_running()?;
    Ok(())
}

/// Waits for a state of the daemon and for the tray to say so, and tells how far they were apart.
fn together(coracle: &Coracle, tray: &Tray, state: &str, labels: &[&str]) -> Result<()> {
    let mut at_the_daemon = None;
    let mut in_the_tray = None;
    eventually(state, || {
        let now = Instant::now();
        if at_the_daemon.is_none() && coracle.status()?["vm"]["state"] == state {
            at_the_daemon = Some(now);
        }
        if in_the_tray.is_none() && find(&tray.menu()?, labels).is_ok() {
            in_the_tray = Some(Instant::now());
        }
        let (Some(daemon), Some(tray)) = (at_the_daemon, in_the_tray) else {
            anyhow::bail!("daemon: {at_the_daemon:?}, tray: {in_the_tray:?}");
        };
        let apart = tray.saturating_duration_since(daemon);
        eprintln!("{state}: in the tray at most {apart:?} after the daemon");
        Ok(())
    })
}

pub(super) fn the_tray_asks_before_suspend_is_a_shutdown(coracle: &Coracle) -> Result<()> {
    let desktop = Desktop::new(coracle)?;
    let (page, tray) = desktop.with_window()?;
    page.until_text("[data-testid=state]", "Running")?;
    tray.offers(&["Suspend"])?;
    let changed = Changed(coracle);
    let config = r#"{"max-concurrent-uploads": 4}"#;
    let set = ["config", "set", "engine.config", config];
    coracle.coracle(set).ok()?;
    eventually("a question to come", || tray.offers(&["Suspend…"]))?;
    page.click("nav a[href='#/settings']")?;
    page.until_text("main", "in effect when the VM restarts: daemon.json")?;

    tray.click(&["Suspend…"])?;
    page.until_text("dialog", "its settings have changed")?;
    page.click("dialog button:not(.danger)")?;
    page.until_text("main", "in effect when the VM restarts: daemon.json")?;
    ensure!(coracle.status()?["vm"]["state"] == "running");

    drop(changed);
    eventually("Suspend itself", || tray.offers(&["Suspend"]))?;
    Ok(())
}

/// The engine's configuration, until it is dropped.
struct Changed<'a>(&'a Coracle);

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        let back = ["config", "set", "engine.config", "null"];
        if let Err(error) = self.0.coracle(back).run() {
            eprintln!("engine.config stays changed: {error:#}");
        }
    }
}

pub(super) fn the_tray_lists_containers(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let desktop = Desktop::new(coracle)?;
    let (mut app, tray) = desktop.in_tray()?;
    coracle.background([
        "--name",
        "gui_tray",
        "--publish",
        "127.0.0.1:18099:80",
        "--label",
        "com.docker.compose.project=tea",
        image,
        "sleep",
        "1000",
    ])?;
    let of = |label: &'static str| ["Containers", "tea", "gui_tray – running", label];
    eventually("the container in the menu", || tray.offers(&of("Stop")))?;

    tray.click(&of("Open localhost:18099"))?;
    eventually("the browser", || {
        let opened = desktop.opened()?;
        ensure!(opened.trim() == "http://localhost:18099/", "{opened}");
        Ok(())
    })?;

    {
        let _sleepy = Sleepy::set(coracle, "1")?;
        idle::suspended(coracle)?;
        eventually("a tray that sleeps", || tray.shows("asleep"))?;
        find(&tray.menu()?, &["Coracle: asleep until it is used"])?;
        tray.offers(&of("Open localhost:18099"))?;
    }
    // Which wakes it.
    tray.click(&of("Stop"))?;
    let stopped = ["Containers", "tea", "gui_tray – exited", "Start"];
    eventually("the stopped container", || tray.offers(&stopped))?;
    let state = ["inspect", "--format", "{{.State.Status}}", "gui_tray"];
    ensure!(coracle.docker(state).text()? == "exited");

    tray.click(&["Quit"])?;
    ensure!(app.wait()?.success(), "the app did not end well");
    coracle.await_running()?;
    Ok(())
}

pub(super) fn the_window_shows_and_stops_a_container(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let desktop = Desktop::new(coracle)?;
    let (page, tray) = desktop.with_window()?;
    page.until_text("[data-testid=state]", "Running")?;
    let said = "i=0; while sleep 0.2; do i=$((i+1)); echo line $i of it; done";
    coracle.background(["--name", "gui-window", "--init", image, "sh", "-c", said])?;
    page.until("[data-container=gui-window]")?;
    desktop.picture("window-containers")?;
    page.until_text("[data-container=gui-window]", "running")?;

    page.click("[aria-label='Logs of gui-window']")?;
    page.until_text("[role=log]", "line 3 of it")?;
    page.click("nav a[href='#/containers']")?;

    page.click("[aria-label='Stop gui-window']")?;
    page.until_text("[data-container=gui-window]", "exited")?;
    let state = ["inspect", "--format", "{{.State.Status}}", "gui-window"];
    ensure!(coracle.docker(state).text()? == "exited");

    page.click("[aria-label='Remove gui-window']")?;
    page.until_text("dialog", "is lost")?;
    page.click("dialog .danger")?;
    eventually("no container", || {
        let all = coracle.docker(["ps", "--all", "--quiet"]).text()?;
        ensure!(all.is_empty(), "{all}");
        ensure!(page.text("[data-container=gui-window]").is_err());
        Ok(())
    })?;

    // The daemon's own words, and nothing is changed.
    page.click("nav a[href='#/settings']")?;
    page.until("[id='setting-vm.cpus']")?;
    page.click("nav a[href='#/logs/daemon'], nav a[href='#/logs']")?;
    page.until_text("[role=log]", "coracled")?;

    page.click("header button:nth-of-type(2)")?;
    page.until_text("[data-testid=state]", "Suspended")?;
    eventually("a tray that stands still", || tray.shows("stopped"))?;
    page.click("header button:nth-of-type(1)")?;
    page.until_text("[data-testid=state]", "Running")?;
    coracle.await_running()?;
    Ok(())
}

pub(super) fn a_second_app_is_the_first(coracle: &Coracle) -> Result<()> {
    let desktop = Desktop::new(coracle)?;
    let (page, tray) = desktop.with_window()?;
    page.click("nav a[href='#/settings']")?;
    page.until("[id='setting-vm.cpus']")?;
    page.fill("[id='setting-vm.cpus']", "1")?;
    desktop.app()?.ok()?;
    tray.offers(&["Quit"])?;
    // Long after the first was told.
    thread::sleep(Duration::from_secs(1));
    let title = page.text("h2")?;
    ensure!(title == "Settings", "what was shown is gone: {title}");
    page.until_text("form [role=status]", "1 change")
}
