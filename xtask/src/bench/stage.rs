//! What benches stand on: programs of the release build, and a Coracle of its own.

use std::cell::{OnceCell, RefCell};
use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context, Result};
use coracle_vm_harness::{Coracle, Places};
use serde_json::Value;

use super::servers;
use super::ways::{Means, Ways};
use crate::process::{inherit, progress};
use crate::{checkout, image, tools};

/// Memory of a measured VM, ours or a peer's, in MiB.
pub(super) const MEMORY_MIB: u32 = 3072;

/// Processors of a measured VM, ours or a peer's.
pub(super) const CPUS: u32 = 2;

/// Where benches run. What is booted for one bench stays for the next.
pub(super) struct Stage {
    /// How many samples a figure has at least.
    pub(super) runs: usize,
    places: Places,
    running: OnceCell<Running>,
}

/// The ways are closed before the VM is stopped.
struct Running {
    ways: OnceCell<Ways>,
    means: RefCell<Option<Means>>,
    coracle: Coracle,
}

impl Stage {
    /// Builds what is missing.
    pub(super) fn prepare(runs: usize) -> Result<Self> {
        progress("bench", "building the daemon and the command for release");
        inherit(
            Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--release"])
                .args(["--package", "coracled", "--package", "coracle-cli"])
                .current_dir(checkout::root()?),
        )?;
        tools::run(&tools::Options::default())?;
        image::run(&image::Options::default())?;
        let target = checkout::target()?;
        let places = Places {
            programs: target.join("release"),
            image: target
                .join("image")
                .join(crate::arch::Arch::host().to_string()),
            tools: target.join("tools"),
            samples: target.join("samples"),
            checkout: checkout::root()?,
        };
        Ok(Self {
            runs,
            places,
            running: OnceCell::new(),
        })
    }

    /// A Coracle that nothing runs of yet.
    pub(super) fn unstarted(&self) -> Result<Coracle> {
        Coracle::of(self.places.clone())
    }

    /// A Coracle with a running engine, the same for all benches.
    pub(super) fn running(&self) -> Result<&Coracle> {
        Ok(&self.booted()?.coracle)
    }

    /// The peers' ways into that Coracle's guest, and servers at their ends.
    pub(super) fn ways(&self) -> Result<&Ways> {
        let running = self.booted()?;
        if let Some(ways) = running.ways.get() {
            return Ok(ways);
        }
        progress("bench", "starting the servers in the VM");
        let means = running.means.take();
        let means = means.context("the ways into the guest could not be opened before")?;
        let ways = means.open(&running.coracle)?;
        Ok(running.ways.get_or_init(|| ways))
    }

    fn booted(&self) -> Result<&Running> {
        if let Some(running) = self.running.get() {
            return Ok(running);
        }
        servers::archive()?;
        let coracle = self.unstarted()?;
        let means = Means::prepare(coracle.home())?;
        progress("bench", "starting a VM");
        start(&coracle, Some(&means.path()))?;
        Ok(self.running.get_or_init(|| Running {
            ways: OnceCell::new(),
            means: RefCell::new(Some(means)),
            coracle,
        }))
    }

    /// About the host and what was built, a line each.
    pub(super) fn facts(&self) -> Vec<String> {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let processor = read("/proc/cpuinfo").lines().find_map(|line| {
            Some(
                line.strip_prefix("model name")?
                    .split_once(": ")?
                    .1
                    .to_owned(),
            )
        });
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        let mut facts = vec![
            format!(
                "Host: {processors} processors, {}, Linux {}.",
                processor.as_deref().unwrap_or("of an unknown kind"),
                read("/proc/sys/kernel/osrelease").trim()
            ),
            format!(
                "Guests, ours and the peers': {CPUS} processors, {MEMORY_MIB} MiB, raw disks with \
                 the same cache, the same QEMU and accelerator."
            ),
            "Ours: `coracle` and `coracled` of the release build, and the guest agent, which is \
             always built for release."
                .to_owned(),
            format!(
                "Each number is the median of {} samples or more, taken in turn with the peer's.",
                self.runs
            ),
        ];
        if let Some(status) = self
            .running
            .get()
            .and_then(|running| running.coracle.status().ok())
        {
            facts.push(format!("Hypervisor: {}.", hypervisor(&status)));
        }
        facts
    }
}

/// Starts its VM with the resources of every measured one, and with this PATH if there is one.
pub(super) fn start(coracle: &Coracle, path: Option<&OsStr>) -> Result<()> {
    let program = coracle.coracle(["start", "--no-context"]);
    let program = match path {
        Some(path) => program.env("PATH", path),
        None => program,
    };
    program
        .args(["--memory", &MEMORY_MIB.to_string()])
        .args(["--cpus", &CPUS.to_string()])
        .ok()
        .map(drop)
        .with_context(|| coracle.logs(40))
}

/// QEMU with its accelerator, as the status has it.
fn hypervisor(status: &Value) -> &str {
    status["host"]["hypervisor"].as_str().unwrap_or("unknown")
}
