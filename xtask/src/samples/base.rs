//! The image `debian:trixie-slim`, made of Debian's packages the way Debian's
//! own image is: the minimal set, without documentation and translations.

use crate::checkout;
use crate::debian;
use crate::digest::Digest;
use crate::process::{self, progress};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The name that Dockerfiles use for it.
pub(crate) const NAME: &str = "debian:trixie-slim";

/// What dpkg leaves out, here and in every image built on this one.
const DPKG: &[&str] = &[
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/groff/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/linda/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
    // A build that is cut short is thrown away, so its writes need no sync.
    "force-unsafe-io",
];

/// Keeps what apt downloads out of the layers of every image built on this one.
const APT: &[&str] = &[
    r#"Acquire::Languages "none""#,
    r#"Dir::Cache::pkgcache """#,
    r#"Dir::Cache::srcpkgcache """#,
    r#"DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; }"#,
    r#"APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; }"#,
];

/// Runs in the finished tree: no service starts while packages are installed
/// later, and nothing of this host stays.
const FINISH: &str = r#"
printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
rm -rf "$1"/var/log/* "$1"/var/cache/debconf/*-old "$1"/var/cache/ldconfig "$1"/var/lib/dpkg/*-old
rm -f "$1/etc/resolv.conf" "$1/etc/hostname" "$1/etc/machine-id"
"#;

/// The archive of the root file system: from the cache, or else made now.
pub(super) fn prepare(cache: &Path, refresh: bool) -> Result<PathBuf> {
    let mut digest = Digest::default();
    digest.add(include_str!("base.rs"));
    debian::sources().iter().for_each(|line| digest.add(line));
    let folder = cache.join(format!("base-{}", &digest.finish()[..16]));
    if refresh || !folder.is_dir() {
        progress(
            "samples",
            &format!("making {NAME} from Debian's packages, about a minute"),
        );
        let scratch = checkout::scratch(cache)?;
        fetch(&scratch.path().join("root.tar"))?;
        debian::publish(scratch, &folder)?;
    }
    Ok(folder.join("root.tar"))
}

fn fetch(into: &Path) -> Result<()> {
    let mode = if nix::unistd::geteuid().is_root() {
        "root"
    } else {
        "unshare"
    };
    let mut command = process::command("mmdebstrap");
    command
        .args(["--variant=minbase", "--format=tar", "--skip=output/dev"])
        .arg(format!("--mode={mode}"))
        .arg(format!("--keyring={}", debian::KEYRING))
        .args(DPKG.iter().map(|option| format!("--dpkgopt={option}")))
        .args(APT.iter().map(|option| format!("--aptopt={option}")))
        .arg(format!("--customize-hook={FINISH}"))
        .args([debian::SUITE.as_ref(), into.as_os_str()])
        .args(debian::sources());
    process::output(&mut command).context("cannot make the base image")?;
    Ok(())
}
