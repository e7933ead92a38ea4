//! `cargo xtask tools`: what an older Debian lacks, in target/tools, beside the system's own.

use crate::apt::{self, parse_version};
use crate::arch::Arch;
use crate::checkout;
use crate::debian;
use crate::digest::Digest;
use crate::process;
use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The oldest virtiofsd that can follow a VM through suspend and resume.
const LEAST_VIRTIOFSD: [u32; 2] = [1, 11];

/// What virtiofsd is linked with.
const LIBRARIES: [&str; 5] = [
    "libc.so.6",
    "libcap-ng.so.0",
    "libgcc_s.so.1",
    "libm.so.6",
    "libseccomp.so.2",
];

#[derive(Default, clap::Args)]
pub(crate) struct Options {
    /// Fetch Debian's newest packages
    #[arg(long)]
    refresh: bool,
}

/// What the host has already.
#[derive(Default)]
struct Own {
    virtiofsd: Option<PathBuf>,
    has_docker: bool,
}

/// Fills the folder, or finds it filled.
pub(crate) fn run(options: &Options) -> Result<()> {
    apt::ensure(apt::TOOLS)?;
    let own = Own {
        virtiofsd: own_virtiofsd(),
        has_docker: has_docker(),
    };
    let extraction = extract(options.refresh)?;

    let folder = checkout::target()?.join("tools");
    let ingredients = ingredients(&own, &extraction);
    let stamp = Path::new(".ingredients");
    if fs::read_to_string(folder.join(stamp)).is_ok_and(|before| before == ingredients) {
        eprintln!("tools: {} is up to date", folder.display());
        return Ok(());
    }
    let scratch = checkout::scratch(&checkout::target()?)?;
    fill(&extraction, &own, scratch.path())?;
    fs::write(scratch.path().join(stamp), ingredients)?;
    debian::publish(scratch, &folder)?;
    eprintln!("tools: they are in {}", folder.display());
    Ok(())
}

/// Puts all of them into an empty folder, for a host of which nothing is known.
pub(crate) fn for_any_host(folder: &Path) -> Result<()> {
    apt::ensure(apt::TOOLS)?;
    fill(&extract(false)?, &Own::default(), folder)
}

/// The host's docker CLI, else the one among the tools.
pub(crate) fn docker() -> Result<PathBuf> {
    match process::find("docker") {
        Some(program) => Ok(program),
        None => Ok(checkout::target()?.join("tools/bin/docker")),
    }
}

fn extract(refresh: bool) -> Result<debian::Extraction> {
    let names = [
        "docker-buildx",
        "docker-cli",
        "docker-compose",
        "libc6",
        "virtiofsd",
    ]
    .map(str::to_owned);
    debian::extract(Arch::host(), &names, refresh)
}

fn fill(extraction: &debian::Extraction, own: &Own, folder: &Path) -> Result<()> {
    let tree = checkout::scratch(folder)?;
    extraction.unpack(tree.path(), &["usr/bin", "usr/lib", "usr/libexec"])?;
    lay_out(tree.path(), own, folder)?;
    let versions = serde_json::to_vec_pretty(&extraction.packages)?;
    fs::write(folder.join("manifest.json"), versions)?;
    Ok(())
}

fn ingredients(own: &Own, extraction: &debian::Extraction) -> String {
    let mut digest = Digest::default();
    digest.add(include_str!("tools.rs"));
    digest.add(format!("{:?} {}", own.virtiofsd, own.has_docker));
    extraction
        .packages
        .iter()
        .for_each(|(name, version)| digest.add(format!("{name} {version}")));
    digest.finish()
}

fn lay_out(tree: &Path, own: &Own, tools: &Path) -> Result<()> {
    let plugins = tools.join("cli-plugins");
    let bin = tools.join("bin");
    for folder in [&plugins, &bin] {
        fs::create_dir(folder)?;
    }
    for plugin in ["docker-compose", "docker-buildx"] {
        take(
            &tree.join("usr/libexec/docker/cli-plugins").join(plugin),
            &plugins,
        )?;
    }
    symlink("../cli-plugins/docker-compose", bin.join("docker-compose"))?;
    if !own.has_docker {
        take(&tree.join("usr/bin/docker"), &bin)?;
    }
    let script = match &own.virtiofsd {
        Some(path) => format!("#!/bin/sh\nexec {} \"$@\"\n", path.display()),
        None => bundle_virtiofsd(tree, &tools.join("lib/virtiofsd"))?,
    };
    fs::write(bin.join("virtiofsd"), script)?;
    fs::set_permissions(bin.join("virtiofsd"), Permissions::from_mode(0o755))?;
    Ok(())
}

/// Takes virtiofsd with the dynamic linker and the libraries it was built
/// with, and returns the script that starts it with those, wherever the
/// folder is moved.
fn bundle_virtiofsd(tree: &Path, into: &Path) -> Result<String> {
    let arch = Arch::host();
    let libraries = tree.join("usr/lib").join(arch.multiarch());
    fs::create_dir_all(into)?;
    take(&tree.join("usr/libexec/virtiofsd"), into)?;
    for name in LIBRARIES.iter().chain([&arch.dynamic_linker()]) {
        take(&libraries.join(name), into)?;
    }
    Ok(format!(
        "#!/bin/sh\n\
         here=$(dirname \"$(readlink -f \"$0\")\")/../lib/virtiofsd\n\
         exec \"$here/{}\" --argv0 virtiofsd --library-path \"$here\" \"$here/virtiofsd\" \"$@\"\n",
        arch.dynamic_linker()
    ))
}

fn take(file: &Path, into: &Path) -> Result<()> {
    let name = file.file_name().context("a tool has a file name")?;
    fs::copy(file, into.join(name))
        .with_context(|| format!("Debian's packages have no {}", file.display()))?;
    Ok(())
}

/// The host's virtiofsd, if it is new enough. QEMU 7's own program of that
/// name says `virtiofsd version 7.2`, and is another one.
fn own_virtiofsd() -> Option<PathBuf> {
    let candidates = [
        process::find("virtiofsd"),
        Some("/usr/libexec/virtiofsd".into()),
    ];
    candidates.into_iter().flatten().find(|path| {
        let text = process::output(process::command(&path.to_string_lossy()).arg("--version"));
        text.is_ok_and(|text| is_recent_virtiofsd(&text))
    })
}

fn is_recent_virtiofsd(text: &str) -> bool {
    let is_rust = !text.contains("virtiofsd version");
    is_rust
        && parse_version(text)
            .is_some_and(|version| version.as_slice() >= LEAST_VIRTIOFSD.as_slice())
}

/// Whether `docker` is Docker's own CLI: Podman may take that name too.
fn has_docker() -> bool {
    process::output(process::command("docker").arg("--version"))
        .is_ok_and(|text| text.starts_with("Docker version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recent_virtiofsd_in_rust_will_do() {
        assert!(is_recent_virtiofsd("virtiofsd 1.13.2\n"));
        assert!(is_recent_virtiofsd("virtiofsd 1.11.0\n"));
        assert!(!is_recent_virtiofsd("virtiofsd 1.10.1\n"));
        assert!(!is_recent_virtiofsd(
            "virtiofsd version 7.2.18 (Debian 1:7.2)\n"
        ));
        assert!(!is_recent_virtiofsd(""));
    }
}
