//! The kernel module of the file events, built for the image's kernel with Debian's compiler.
//!
//! Headers, compiler and kernel come from one fetch, and the compiler runs in a folder of its own
//! (`chroot`, for an ordinary user in a user namespace), so that the host's does not matter.

use super::base::Base;
use super::recipe;
use crate::arch::Arch;
use crate::checkout;
use crate::debian;
use crate::digest::{self, Digest};
use crate::process::{self, progress};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// File name in the initramfs.
pub(super) const FILE: &str = "coracle_events.ko";

/// Runs in the compiler's folder, which is `$1`; the release is `$2`.
const BUILD: &str = r#"mount --rbind /dev "$1/dev" &&
    exec chroot "$1" /bin/sh -c '
        make --silent --jobs="$(nproc)" --directory="/usr/src/linux-headers-$0" M=/build modules &&
        strip --strip-debug /build/coracle_events.ko' "$2""#;

/// A module in the cache.
pub(super) struct EventsModule {
    pub(super) file: PathBuf,
    pub(super) facts: Facts,
}

/// What a module was made from; with the kernel's release it is one half of a pair.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The kernel that it is for.
    kernel: String,
    /// SHA-256 of the sources.
    source: String,
    /// SHA-256 of the module.
    pub(super) digest: String,
}

/// Builds the module, or finds it in the cache. `None` for an architecture whose compiler does
/// not run here: the guest does without it, and says so.
pub(super) fn prepare(arch: Arch, base: &Base) -> Result<Option<EventsModule>> {
    if arch != Arch::host() {
        eprintln!("image: without the module of the file events, which only {arch} can build");
        return Ok(None);
    }
    let source = checkout::root()?.join("vm-image/events-module");
    let mut digest = Digest::default();
    digest.add_tree(&source)?;
    let source_hash = digest.finish();
    let mut digest = Digest::default();
    digest.add(include_str!("events_module.rs"));
    digest.add(&source_hash);
    digest.add(&base.facts.hash);
    let cache = checkout::cache("module")?;
    let folder = cache.join(format!("{arch}-{}", &digest.finish()[..16]));
    if !folder.is_dir() {
        let scratch = checkout::scratch(&cache)?;
        let release = &base.facts.kernel;
        build(arch, release, &source, scratch.path())?;
        let facts = Facts {
            kernel: release.clone(),
            source: source_hash,
            digest: digest::file(&scratch.path().join(FILE))?,
        };
        fs::write(
            scratch.path().join("facts.json"),
            serde_json::to_vec_pretty(&facts)?,
        )?;
        debian::publish(scratch, &folder)?;
    }
    let facts = fs::read(folder.join("facts.json"))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .with_context(|| format!("the cache is damaged: remove {}", folder.display()))?;
    Ok(Some(EventsModule {
        file: folder.join(FILE),
        facts,
    }))
}

fn build(arch: Arch, release: &str, source: &Path, into: &Path) -> Result<()> {
    progress("image", "building the module of the file events");
    let packages = debian::extract(arch, &recipe::read(arch)?.kernel_packages, false)?;
    let work = checkout::scratch(into)?;
    let tree = work.path().join("compiler");
    packages.unpack(&tree, &[])?;
    let headers = tree
        .join("usr/src")
        .join(format!("linux-headers-{release}"));
    ensure!(
        headers.is_dir(),
        "Debian's packages in the cache are not those of the kernel {release}: \
         `cargo xtask image --refresh` fetches both anew"
    );
    // What maintainer scripts and an installer would make.
    symlink("mawk", tree.join("usr/bin/awk"))?;
    for name in ["bin", "lib", "lib64"] {
        if tree.join(name).symlink_metadata().is_err() {
            symlink(format!("usr/{name}"), tree.join(name))?;
        }
    }
    for name in ["dev", "tmp"] {
        fs::create_dir_all(tree.join(name))?;
    }
    let place = tree.join("build");
    fs::create_dir(&place)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        fs::copy(entry.path(), place.join(entry.file_name()))?;
    }
    let mut command = process::command("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["--mount", "--propagation=private", "sh", "-c", BUILD, "sh"])
        .arg(&tree)
        .arg(release)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        // A build's time must not be in the module.
        .env("KBUILD_BUILD_TIMESTAMP", "@0");
    process::output(&mut command).context("cannot build the module of the file events")?;
    fs::copy(place.join(FILE), into.join(FILE))?;
    Ok(())
}
