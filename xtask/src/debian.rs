//! Debian packages, extracted without being installed.
//!
//! `mmdebstrap --mode=chrootless --variant=extract` resolves dependencies,
//! checks signatures, and unpacks; it needs neither root nor user namespaces,
//! and runs no maintainer script.

use crate::arch::Arch;
use crate::checkout;
use crate::digest::Digest;
use crate::process;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's release that image and tools come from.
pub(crate) const SUITE: &str = "trixie";

/// Where Debian's archive keys are on the host.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The lines of sources.list for [`SUITE`] with its updates.
pub(crate) fn sources() -> [String; 3] {
    [
        format!("deb http://deb.debian.org/debian {SUITE} main"),
        format!("deb http://deb.debian.org/debian {SUITE}-updates main"),
        format!("deb http://deb.debian.org/debian-security {SUITE}-security main"),
    ]
}

/// Packages and their dependencies, as one archive in the cache.
#[derive(Debug)]
pub(crate) struct Extraction {
    folder: PathBuf,
    /// Each package's version.
    pub(crate) packages: BTreeMap<String, String>,
}

/// Extracts packages, or finds in the cache what was extracted for the same
/// names before. `refresh` fetches Debian's newest versions instead.
pub(crate) fn extract(arch: Arch, names: &[String], refresh: bool) -> Result<Extraction> {
    let cache = checkout::cache("debian")?;
    let mut digest = Digest::default();
    digest.add(include_str!("debian.rs"));
    digest.add(arch.debian());
    names.iter().for_each(|name| digest.add(name));
    let folder = cache.join(format!("{}-{}", arch.debian(), &digest.finish()[..16]));

    if refresh || !folder.is_dir() {
        process::progress("debian", &format!("extracting {}", names.join(", ")));
        let scratch = checkout::scratch(&cache)?;
        fetch(arch, names, scratch.path())?;
        publish(scratch, &folder)?;
    }
    let list = fs::read_to_string(folder.join("packages"))
        .with_context(|| format!("the cache is damaged: remove {}", folder.display()))?;
    Ok(Extraction {
        packages: list.lines().filter_map(archive_name).collect(),
        folder,
    })
}

impl Extraction {
    /// Unpacks into an empty folder, as the current user's files. Only the
    /// paths that `only` names, if it names any.
    pub(crate) fn unpack(&self, into: &Path, only: &[&str]) -> Result<()> {
        fs::create_dir_all(into)?;
        process::output(
            process::command("tar")
                .args([
                    "--extract",
                    "--zstd",
                    "--no-same-owner",
                    "--same-permissions",
                ])
                .arg("--exclude=./dev/*")
                .arg("--file")
                .arg(self.folder.join("tree.tar.zst"))
                .arg("--directory")
                .arg(into)
                .args(only.iter().map(|path| format!("./{path}"))),
        )?;
        Ok(())
    }
}

/// Makes a finished scratch folder the one at `destination`. Where another run
/// was faster, either result will do.
pub(crate) fn publish(scratch: tempfile::TempDir, destination: &Path) -> Result<()> {
    if destination.exists() {
        let beside = destination
            .parent()
            .context("a folder in the cache has a parent")?;
        let old = checkout::scratch(beside)?;
        // The other run may have moved it away just now: the rename below decides.
        let _ = fs::rename(destination, old.path().join("old"));
    }
    let scratch = scratch.keep();
    if let Err(error) = fs::rename(&scratch, destination) {
        let _ = fs::remove_dir_all(&scratch);
        if !destination.is_dir() {
            return Err(error).with_context(|| format!("cannot make {}", destination.display()));
        }
    }
    Ok(())
}

fn fetch(arch: Arch, names: &[String], into: &Path) -> Result<()> {
    let mut command = process::command("mmdebstrap");
    command
        .args(["--mode=chrootless", "--variant=extract", "--format=tar"])
        // It guards against maintainer scripts, and none will run.
        .arg("--skip=check/chrootless")
        .arg(format!("--architectures={}", arch.debian()))
        .arg(format!("--keyring={KEYRING}"))
        .arg(format!("--include={}", names.join(",")))
        .arg(r#"--extract-hook=ls "$1/var/cache/apt/archives" > "$CORACLE_PACKAGES""#)
        .env("CORACLE_PACKAGES", into.join("packages"))
        .args(proxy())
        .args([SUITE.as_ref(), into.join("tree.tar.zst").as_os_str()])
        .args(sources());
    process::output(&mut command).context("cannot extract Debian packages")?;
    Ok(())
}

/// The host's own apt proxy, which mmdebstrap does not take over.
pub(crate) fn proxy() -> Option<String> {
    let mut command = Command::new("apt-config");
    let dump = process::output(command.args(["dump", "Acquire::http::Proxy"])).ok()?;
    let line = dump
        .lines()
        .find(|line| line.starts_with("Acquire::http::Proxy \""))?;
    Some(format!("--aptopt={line}"))
}

/// Name and version from an archive's file name: `libcap2_1%3a2.75-10_amd64.deb`.
fn archive_name(file: &str) -> Option<(String, String)> {
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (name, version) = (parts.next()?, parts.next()?);
    Some((name.to_owned(), version.replace("%3a", ":")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_names_give_name_and_version() {
        let libcap = archive_name("libcap2_1%3a2.75-10+deb13u1+b3_amd64.deb");
        assert_eq!(
            libcap,
            Some(("libcap2".into(), "1:2.75-10+deb13u1+b3".into()))
        );
        assert_eq!(archive_name("partial"), None);
    }

    #[test]
    fn publishing_replaces_what_was_there_and_leaves_no_scratch() {
        let cache = tempfile::tempdir().unwrap();
        let destination = cache.path().join("entry");
        for text in ["first", "second"] {
            let scratch = checkout::scratch(cache.path()).unwrap();
            fs::write(scratch.path().join("file"), text).unwrap();
            publish(scratch, &destination).unwrap();
        }
        assert_eq!(
            fs::read_to_string(destination.join("file")).unwrap(),
            "second"
        );
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
    }
}
