//! Kernel, its modules for the initramfs, and the root: all that does not change with the agent.

use super::modules::{self, Modules};
use super::python;
use super::recipe::{self, Recipe};
use super::root;
use crate::arch::Arch;
use crate::checkout;
use crate::debian;
use crate::digest::Digest;
use crate::process::{self, progress};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A finished base in the cache.
pub(super) struct Base {
    /// Holds `vmlinuz`, `root.squashfs` and `modules/`.
    pub(super) folder: PathBuf,
    /// What it was made from.
    pub(super) facts: Facts,
}

/// What a base was made from.
#[derive(Serialize, Deserialize)]
pub(super) struct Facts {
    /// Identifies the recipe and the versions of the packages.
    pub(super) hash: String,
    /// The kernel's release.
    pub(super) kernel: String,
    /// Each package's version.
    pub(super) packages: BTreeMap<String, String>,
}

/// Makes the base, or finds it in the cache.
pub(super) fn prepare(arch: Arch, refresh: bool) -> Result<Base> {
    let cache = checkout::cache("image")?;
    let hash = recipe::hash(arch)?;
    let folder = cache.join(format!("{arch}-{}", &hash[..16]));
    if refresh || !folder.is_dir() {
        let scratch = checkout::scratch(&cache)?;
        make(arch, &hash, refresh, scratch.path())?;
        debian::publish(scratch, &folder)?;
    }
    let facts = fs::read(folder.join("facts.json"))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .with_context(|| format!("the cache is damaged: remove {}", folder.display()))?;
    Ok(Base { folder, facts })
}

fn make(arch: Arch, hash: &str, refresh: bool, into: &Path) -> Result<()> {
    let recipe = recipe::read(arch)?;
    let kernel = debian::extract(arch, &recipe.kernel_packages, refresh)?;
    let packages = debian::extract(arch, &recipe.root_packages, refresh)?;

    let work = checkout::scratch(into)?;
    let kernel_tree = work.path().join("kernel");
    kernel.unpack(&kernel_tree, &["boot", "usr/lib/modules"])?;
    std::os::unix::fs::symlink("usr/lib", kernel_tree.join("lib"))?;
    let release = only_entry(&kernel_tree.join("usr/lib/modules"))?;
    fs::copy(
        kernel_tree.join(format!("boot/vmlinuz-{release}")),
        into.join("vmlinuz"),
    )
    .context("the kernel's package has no vmlinuz")?;

    progress("image", "choosing kernel modules");
    let tree = kernel_tree.join("usr/lib/modules").join(&release);
    depmod(&kernel_tree, &release)?;
    let available = Modules::parse(
        &fs::read_to_string(tree.join("modules.dep"))?,
        &fs::read_to_string(tree.join("modules.builtin"))?,
    )?;
    initramfs_modules(&available, &recipe, &tree, &into.join("modules"))?;

    progress("image", "making the root file system");
    let root_tree = work.path().join("root");
    packages.unpack(&root_tree, &[])?;
    let chosen = available.select(&recipe.root_modules)?;
    root::prepare(&root_tree, &recipe)?;
    python::add(&root_tree, &recipe.python)?;
    root::add_modules(&root_tree, &tree, &release, &chosen)?;
    depmod(&root_tree, &release)?;
    progress("image", "compressing the root file system");
    root::squash(&root_tree, &into.join("root.squashfs"))?;

    let mut versions = packages.packages;
    versions.extend(
        kernel
            .packages
            .into_iter()
            .filter(|(name, _)| name.starts_with("linux-image-")),
    );
    let mut digest = Digest::default();
    digest.add(hash);
    versions
        .iter()
        .for_each(|(name, version)| digest.add(format!("{name} {version}")));
    let facts = Facts {
        hash: digest.finish(),
        kernel: release,
        packages: versions,
    };
    fs::write(into.join("facts.json"), serde_json::to_vec_pretty(&facts)?)?;
    Ok(())
}

/// Writes the modules uncompressed, and `order` with their file names.
fn initramfs_modules(available: &Modules, recipe: &Recipe, tree: &Path, into: &Path) -> Result<()> {
    fs::create_dir(into)?;
    let mut order = String::new();
    for path in available.load_order(&recipe.initramfs_modules)? {
        let file = format!("{}.ko", modules::name(&path));
        let packed = tree.join(&path);
        let packer = match packed.extension().and_then(|suffix| suffix.to_str()) {
            Some("xz") => Some("xz"),
            Some("zst") => Some("zstd"),
            _ => None,
        };
        match packer {
            None => {
                fs::copy(&packed, into.join(&file))?;
            }
            Some(packer) => {
                let output = fs::File::create(into.join(&file))?;
                let mut command = process::command(packer);
                process::inherit(
                    command
                        .args(["--decompress", "--stdout"])
                        .arg(&packed)
                        .stdout(output),
                )?;
            }
        }
        order.push_str(&file);
        order.push('\n');
    }
    fs::write(into.join("order"), order)?;
    Ok(())
}

fn depmod(root: &Path, release: &str) -> Result<()> {
    process::output(
        process::command("depmod")
            .arg("--basedir")
            .arg(root)
            .arg(release),
    )?;
    Ok(())
}

fn only_entry(folder: &Path) -> Result<String> {
    let mut names = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    match names.len() {
        1 => Ok(names.remove(0)),
        count => anyhow::bail!("{count} kernels were extracted instead of one: {names:?}"),
    }
}
