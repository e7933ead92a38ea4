//! `cargo xtask image`: kernel, initramfs and root of the VM, as `vm-image/` describes them.

mod base;
mod events_module;
mod initramfs;
mod modules;
mod python;
mod recipe;
mod root;

use crate::apt;
use crate::arch::Arch;
use crate::checkout;
use crate::digest;
use crate::process::progress;
use anyhow::{Context, Result, bail};
use base::Base;
use events_module::EventsModule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of an image.
pub(crate) const PARTS: [&str; 4] = ["initramfs.img", "manifest.json", "root.squashfs", "vmlinuz"];

/// What the files of the image may weigh together.
const SIZE_LIMIT: u64 = 100_000_000;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The VM's architecture
    #[arg(long, value_enum, default_value_t = Arch::host())]
    arch: Arch,
    /// Fetch Debian's newest packages, even if the recipe was made before
    #[arg(long)]
    refresh: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            arch: Arch::host(),
            refresh: false,
        }
    }
}

/// What is in an image; the daemon shows it, and tests compare it.
#[derive(Serialize, Deserialize)]
struct Manifest {
    version: String,
    arch: String,
    kernel: String,
    /// Built for exactly that kernel.
    events_module: Option<events_module::Facts>,
    packages: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    /// In bytes, so that a file that was cut off is seen without reading it.
    sizes: BTreeMap<String, u64>,
}

/// Makes the image, or only those parts whose ingredients changed.
pub(crate) fn run(options: &Options) -> Result<()> {
    apt::ensure(apt::IMAGE)?;
    let arch = options.arch;
    let base = base::prepare(arch, options.refresh)?;
    let module = events_module::prepare(arch, &base)?;
    progress("image", "building the guest agent");
    let agent = initramfs::agent(arch)?;

    let folder = checkout::target()?.join("image").join(arch.to_string());
    let built = module.as_ref().map(|module| module.facts.digest.as_str());
    let ingredients = format!(
        "{}\n{}\n{}\nsizes\n",
        base.facts.hash,
        digest::file(&agent)?,
        built.unwrap_or_default()
    );
    let stamp = folder.join(".ingredients");
    if fs::read_to_string(&stamp).is_ok_and(|before| before == ingredients) && is_whole(&folder) {
        eprintln!("image: {} is up to date", folder.display());
        return Ok(());
    }
    // A run that is cut short here must not pass for a finished one.
    let _ = fs::remove_file(&stamp);
    let manifest = assemble(&base, module.as_ref(), &agent, arch, &folder)?;
    fs::write(&stamp, ingredients)?;
    report(&folder, &manifest)
}

fn assemble(
    base: &Base,
    module: Option<&EventsModule>,
    agent: &Path,
    arch: Arch,
    folder: &Path,
) -> Result<Manifest> {
    let scratch = checkout::scratch(folder)?;
    progress("image", "packing the initramfs");
    initramfs::write(
        agent,
        &base.folder.join("modules"),
        module.map(|module| module.file.as_path()),
        &scratch.path().join("initramfs.img"),
    )?;
    for name in ["vmlinuz", "root.squashfs"] {
        fs::copy(base.folder.join(name), scratch.path().join(name))
            .with_context(|| format!("the cache is damaged: remove {}", base.folder.display()))?;
    }
    let (mut files, mut sizes) = (BTreeMap::new(), BTreeMap::new());
    for path in members(scratch.path()) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        sizes.insert(name.clone(), path.metadata()?.len());
        files.insert(name, digest::file(&path)?);
    }
    let manifest = Manifest {
        version: format!("{}+{}", env!("CARGO_PKG_VERSION"), &base.facts.hash[..12]),
        arch: arch.to_string(),
        kernel: base.facts.kernel.clone(),
        events_module: module.map(|module| module.facts.clone()),
        packages: base.facts.packages.clone(),
        files,
        sizes,
    };
    let mut text = serde_json::to_vec_pretty(&manifest)?;
    text.push(b'\n');
    fs::write(scratch.path().join("manifest.json"), text)?;
    // A VM that runs keeps the files it has open: they are replaced, not written over.
    for path in members(scratch.path())
        .into_iter()
        .chain([scratch.path().join("manifest.json")])
    {
        fs::rename(&path, folder.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(manifest)
}

fn members(folder: &Path) -> [PathBuf; 3] {
    ["initramfs.img", "root.squashfs", "vmlinuz"].map(|name| folder.join(name))
}

fn is_whole(folder: &Path) -> bool {
    members(folder).iter().all(|path| path.is_file()) && folder.join("manifest.json").is_file()
}

fn report(folder: &Path, manifest: &Manifest) -> Result<()> {
    let mut total = 0;
    for path in members(folder) {
        let size = path.metadata()?.len();
        total += size;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        eprintln!("image: {name:14} {:6.1} MB", megabytes(size));
    }
    let limit = megabytes(SIZE_LIMIT);
    if total > SIZE_LIMIT {
        bail!(
            "the image has {:.1} MB, more than {limit} MB: take something out in vm-image/",
            megabytes(total)
        );
    }
    eprintln!(
        "image: {:14} {:6.1} MB of {limit} MB",
        "together",
        megabytes(total)
    );
    eprintln!(
        "image: version {} is in {}",
        manifest.version,
        folder.display()
    );
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
