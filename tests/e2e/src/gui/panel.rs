//! The tray in the panel of a real desktop, Xfce's, by mouse and keyboard.

use std::mem;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::desktop::Desktop;
use crate::images;

/// Presses of the key Down to Containers: what cannot be clicked is passed over.
const CONTAINERS: usize = ["Suspend", "Restart", "Dashboard", "Containers"].len();

pub(super) fn a_panel_shows_the_menu(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let ports = ["--publish", "127.0.0.1:18098:80"];
    let rests = [image, "sleep", "1000"];
    // The VM's figures go up and down with it.
    let works = "while :; do timeout 8 yes >/dev/null; sleep 8; done";
    let works = [image, "sh", "-c", works];
    for (name, publish, run) in [
        ("voting-app-result-1", &ports[..], &rests[..]),
        ("voting-app-vote-1", &[], &rests),
        ("voting-app-worker-1", &[], &works),
    ] {
        let project = ["--label", "com.docker.compose.project=voting-app"];
        let own = ["--init", "--name", name];
        coracle.background([&own, &project[..], publish, run].concat())?;
    }
    let desktop = Desktop::new(coracle)?;
    let (_app, tray) = desktop.in_tray()?;
    let group = ["Containers", "voting-app (3 of 3 run)"];
    let first = ["voting-app-result-1 – running", "Open localhost:18098"];
    let path = [&group[..], &first[..]].concat();
    eventually("the containers in the menu", || tray.offers(&path))?;

    let figures = || Ok::<_, anyhow::Error>(tray.menu()?.swap_remove(1).label);
    // An open menu grows no wider.
    eventually("the VM's figures", || {
        let now = figures()?;
        ensure!(now.contains(" %"), "{now}");
        Ok(())
    })?;

    let _panel = desktop.panel()?;
    let dot = tray.colour()?.context("it has no dot")?;
    let (x, y) = eventually("the icon in the panel", || {
        desktop.screen()?.find(dot).context("its dot is not seen")
    })?;
    let extent = || desktop.screen().map(|screen| screen.extent());
    let bar = extent()?;
    desktop.hands(["mousemove", &x.to_string(), &y.to_string(), "click", "3"])?;
    eventually("the menu", || {
        let (_, height) = extent()?;
        ensure!(height > bar.1, "there is the panel alone");
        Ok(())
    })?;
    // To the first container's first entry: the key Right opens a menu and goes into it.
    let keys = [&["Down"; CONTAINERS][..], &["Right"; 3][..]].concat();
    desktop.hands(["key", "--delay", "300"].into_iter().chain(keys))?;
    let mut before = 0;
    eventually("its menus beside it", || {
        let (now, _) = extent()?;
        ensure!(now > bar.0, "they do not reach beyond the panel");
        ensure!(mem::replace(&mut before, now) == now, "they grow");
        Ok(())
    })?;
    // The figures change meanwhile, and no menu closes.
    let then = figures()?;
    eventually("other figures", || {
        ensure!(figures()? != then, "{then}");
        Ok(())
    })?;
    // What has come by D-Bus is drawn by then.
    thread::sleep(Duration::from_secs(1));
    ensure!(extent()?.0 == before, "a menu has closed");
    desktop.picture("tray-menu")?;
    desktop.hands(["key", "Return"])?;
    eventually("the browser", || {
        let opened = desktop.opened()?;
        ensure!(opened.trim() == "http://localhost:18098/", "{opened}");
        Ok(())
    })
}
