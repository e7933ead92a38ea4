//! Kernel modules: the initramfs's by hand, the root's through modprobe.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use crate::command;
use crate::reaper::Reaper;

/// Where the initramfs keeps its modules.
const INITRAMFS_MODULES: &str = "/modules";

/// The network card's.
const NETWORK_CARD: &[&str] = &["virtio_net"];

/// What the engine, swarm and the agent (the power button) need. What a kernel has built in
/// or lacks is passed over; whatever else is wanted later, the kernel loads by itself.
const WANTED: &[&str] = &[
    "virtio_rng",
    "virtio_balloon",
    "virtiofs",
    "overlay",
    "bridge",
    "br_netfilter",
    "veth",
    "nf_tables",
    "nft_compat",
    "nft_chain_nat",
    "xt_conntrack",
    "xt_MASQUERADE",
    "xt_addrtype",
    "button",
    "evdev",
];

/// Loads the initramfs's modules in their order.
///
/// # Errors
/// When the list cannot be read. A module that does not load is only told: what it was
/// needed for will say so itself.
pub(crate) fn load_initramfs() -> io::Result<()> {
    let folder = Path::new(INITRAMFS_MODULES);
    let order = std::fs::read_to_string(folder.join("order"))?;
    for name in in_order(&order) {
        if let Err(error) = load(&folder.join(name)) {
            tracing::warn!("the module {name} was not loaded: {error}");
        }
    }
    Ok(())
}

/// Loads the network card's module.
pub(crate) async fn load_network_card(reaper: &Reaper) {
    modprobe(reaper, NETWORK_CARD).await;
}

/// Loads the root's modules for the engine.
pub(crate) async fn load_for_engine(reaper: &Reaper) {
    modprobe(reaper, WANTED).await;
}

async fn modprobe(reaper: &Reaper, names: &[&str]) {
    let mut modprobe = command::program("/usr/sbin/modprobe");
    modprobe.args(["--all", "--quiet"]).args(names);
    // modprobe's status says "one of them is unknown", which is allowed.
    if let Err(error) = command::output(reaper, &mut modprobe).await {
        tracing::warn!("modprobe did not run: {error}");
    }
}

fn load(path: &Path) -> Result<(), Errno> {
    let file =
        File::open(path).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    match finit_module(file, c"" as &CStr, ModuleInitFlags::empty()) {
        Err(Errno::EEXIST) => Ok(()),
        outcome => outcome,
    }
}

/// The file names of an `order` file: one a line, empty lines and `#` lines passed over.
fn in_order(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_kept_and_comments_are_not_modules() {
        let names: Vec<_> =
            in_order("# first\nvirtio_ring.ko\n\n  virtio_blk.ko \nsquashfs.ko").collect();
        assert_eq!(names, ["virtio_ring.ko", "virtio_blk.ko", "squashfs.ko"]);
    }
}
