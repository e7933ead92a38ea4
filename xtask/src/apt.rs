//! `cargo xtask setup`: the host's packages that building, running and testing need.

mod host;
mod plan;

use crate::process::{self, progress};
use anyhow::{Result, bail};
use host::Host;
pub(crate) use host::parse_version;
pub(crate) use plan::qemu_from_backports;
use plan::{Plan, Probe};
use std::process::Command;

/// Needed to build the app and its page.
pub(crate) const APP: &[&str] = &[
    "gcc",
    "libc6-dev",
    "libdbus-1-dev",
    "libwebkit2gtk-4.1-dev",
    "pkg-config",
];

/// Needed to build and check the app's page.
pub(crate) const PAGE: &[&str] = &["nodejs", "npm"];

/// Needed to test the app: browsers, a screen with its mouse, a session bus, what shows the tray's icon, and a panel.
pub(crate) const GUI_TESTS: &[&str] = &[
    "chromium",
    "dbus",
    "libayatana-appindicator3-1",
    "webkit2gtk-driver",
    "xdotool",
    "xfce4-panel",
    "xvfb",
];

/// Needed to make the VM image.
pub(crate) const IMAGE: &[&str] = &[
    "debian-archive-keyring",
    "gcc",
    "kmod",
    "libc6-dev",
    "mmdebstrap",
    "squashfs-tools",
    "xz-utils",
    "zstd",
];

/// Needed to fetch debugpy for the VM image, once.
pub(crate) const PYTHON: &[&str] = &["python3-venv"];

/// Needed to run the VM: what the package depends on.
pub(crate) const VM: &[&str] = &[plan::QEMU.package, "qemu-utils", "uidmap"];

/// Needed to run the app, besides: a session bus where there is no desktop's, and what draws the tray's icon.
pub(crate) const TRAY: &[&str] = &["dbus", "libayatana-appindicator3-1"];

/// Needed to make the package of what is installed, and to look at it.
pub(crate) const PACKAGE: &[&str] = &["debhelper", "lintian"];

/// Needed to make the sample images.
pub(crate) const SAMPLES: &[&str] = &["buildah", "debian-archive-keyring", "mmdebstrap", "uidmap"];

/// Needed by the tests: a debugger, what compiles programs for it, and what works on disks and networks.
pub(crate) const TESTS: &[&str] = &[
    "e2fsprogs",
    "gcc",
    "gdb",
    "iproute2",
    "libc6-dev",
    "qemu-utils",
];

/// Needed to extract the tools.
pub(crate) const TOOLS: &[&str] = &["debian-archive-keyring", "mmdebstrap", "zstd"];

/// Installs all that is missing.
///
/// Fails with the one line that does it where neither root nor a sudo without a password is at hand.
pub(crate) fn setup() -> Result<()> {
    let everything: Vec<_> = plan::needs().iter().map(|need| need.package).collect();
    ensure(&everything)?;
    eprintln!("setup: nothing is missing");
    Ok(())
}

/// Installs those of the named packages that are missing, as [`setup`] does.
pub(crate) fn ensure(packages: &[&str]) -> Result<()> {
    let host = Host::read()?;
    let missing = missing(packages, &host);
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    let plan = Plan::new(&host, &missing)?;
    let Some(prefix) = privilege() else {
        bail!(
            "these packages are missing: {names}. Install them with:\n\n  {}\n",
            plan.line("sudo ")
        );
    };
    progress("setup", &format!("installing {names}"));
    let line = plan.line(prefix);
    process::output(
        Command::new("sh")
            .args(["-c", &line])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;

    let still = self::missing(packages, &host);
    if !still.is_empty() {
        bail!(
            "apt ran, and {} is still missing or too old: see `apt-cache policy`",
            still.join(", ")
        );
    }
    Ok(())
}

fn missing(packages: &[&str], host: &Host) -> Vec<&'static str> {
    let is_wanted = |need: &&plan::Need| packages.contains(&need.package);
    let is_missing = |need: &&plan::Need| match need.probe {
        Probe::Program(name) => process::find(name).is_none(),
        Probe::File(path) => !std::path::Path::new(path).exists(),
        Probe::Package => !host::is_installed(need.package),
        Probe::Qemu(name) => {
            host::qemu(name).is_none_or(|version| version < plan::least_qemu(host))
        }
    };
    plan::needs()
        .iter()
        .filter(is_wanted)
        .filter(is_missing)
        .map(|need| need.package)
        .collect()
}

/// What to put before a command for it to run as root, if that works unasked.
fn privilege() -> Option<&'static str> {
    if nix::unistd::geteuid().is_root() {
        return Some("");
    }
    process::output(Command::new("sudo").args(["-n", "true"]))
        .ok()
        .map(|_| "sudo ")
}
