//! `cargo xtask gui`: the app, from a clean clone to the icon in the tray.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{inherit, progress};
use crate::{apt, checkout, image, page, tools};

/// Builds what is missing and starts the app.
pub(crate) fn run() -> Result<()> {
    check_display()?;
    let needs = [
        apt::APP,
        apt::PAGE,
        apt::TRAY,
        apt::VM,
        apt::TOOLS,
        apt::IMAGE,
        apt::PYTHON,
    ];
    apt::ensure(&needs.concat())?;
    page::build()?;
    progress("gui", "building the app, the daemon and the command");
    inherit(
        Command::new(env!("CARGO"))
            .args(["build", "--package", "coracle-app"])
            .args(["--package", "coracled", "--package", "coracle-cli"])
            .current_dir(checkout::root()?),
    )?;
    tools::run(&tools::Options::default())?;
    image::run(&image::Options::default())?;
    let app = checkout::target()?.join("debug/coracle-app");
    progress("gui", "the app is in the tray until you choose Quit there");
    inherit(&mut on_a_bus(&app))
}

fn check_display() -> Result<()> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") {
        return Ok(());
    }
    bail!(
        "there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set): run this in a terminal \
         of a desktop. `cargo xtask test gui` needs none: it brings its own screen"
    )
}

/// The tray and the rule of one app need a session bus, which every desktop has and a bare X server
/// has not.
fn on_a_bus(app: &Path) -> Command {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let runtime = env::var_os("XDG_RUNTIME_DIR").unwrap_or_default();
    if is_set("DBUS_SESSION_BUS_ADDRESS") || Path::new(&runtime).join("bus").exists() {
        return Command::new(app);
    }
    let mut command = Command::new("dbus-run-session");
    command.arg("--").arg(app);
    command
}
