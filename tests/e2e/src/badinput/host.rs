use std::fs;

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use super::{privately, refuses};

const QEMU: &str = if cfg!(target_arch = "aarch64") {
    "qemu-system-aarch64"
} else {
    "qemu-system-x86_64"
};

/// `coracle start`, then the end of the daemon that it left.
const START: &str = "code=0; coracle start || code=$?; coracle stop --quit >/dev/null; exit $code";

/// The script with `coracle` on its path.
fn with_path(coracle: &Coracle, script: &str) -> String {
    let programs = coracle.places().programs.display();
    format!("PATH='{programs}':$PATH\n{script}")
}

pub(super) fn no_hypervisor_installed(coracle: &Coracle) -> Result<()> {
    let script = privately::hide(coracle, QEMU) + &with_path(coracle, START);
    let parts = [QEMU, "not installed", "install the package"];
    refuses(privately::shell(coracle, &script)?, 5, &parts)?;
    ensure!(!coracle.paths().data_disk().exists(), "a disk was made");
    Ok(())
}

pub(super) fn no_file_server_installed(coracle: &Coracle) -> Result<()> {
    let script = privately::hide(coracle, "virtiofsd") + &with_path(coracle, START);
    let parts = ["virtiofsd", "not installed", "install the package"];
    refuses(privately::shell(coracle, &script)?, 5, &parts)
}

pub(super) fn full_disk_under_the_state_folder(coracle: &Coracle) -> Result<()> {
    let home = coracle.paths().home().display();
    let fill = format!(
        "mount -t tmpfs -o size=256k tmpfs '{home}'
        fill() {{ cat /dev/zero >'{home}/ballast' 2>/dev/null || true; }}\n"
    );
    // Nothing could be written from the start.
    let script = format!("{fill} fill\n{}", with_path(coracle, START));
    let full = ["the disk is full", "free some space"];
    refuses(privately::shell(coracle, &script)?, 10, &full)?;
    // The disk runs full under the daemon: the settings stay as they were, and space is all it takes.
    let kept = coracle.home().join("kept");
    let script = with_path(
        coracle,
        &format!(
            "{fill} coracle config set vm.cpus 1 >/dev/null
            cp '{home}/settings.json' '{0}'
            fill
            code=0; coracle config set vm.disk_gib 100 || code=$?
            cmp '{home}/settings.json' '{0}' >&2
            rm '{home}/ballast'
            coracle config set vm.disk_gib 100 >/dev/null
            coracle stop --quit >/dev/null
            exit $code",
            kept.display()
        ),
    );
    refuses(
        privately::shell(coracle, &script)?,
        10,
        &["settings.json", "the disk is full", "free some space"],
    )?;
    ensure!(fs::read(&kept)?.len() > 10, "no settings were kept");
    Ok(())
}

pub(super) fn command_that_is_not_in_the_vm(coracle: &Coracle) -> Result<()> {
    let shell = |args: &[&str]| coracle.coracle(["shell"]).args(args);
    refuses(
        shell(&["--", "no-such-command"]),
        127,
        &["no-such-command", "in the VM"],
    )?;
    refuses(shell(&["--", "/etc/passwd"]), 126, &["/etc/passwd"])?;
    refuses(
        shell(&["--workdir", "/no/such", "--", "true"]),
        126,
        &["/no/such", "folder"],
    )
}
