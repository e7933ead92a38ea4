//! `cargo xtask dist`: the Debian package, in target/dist.
//!
//! What goes into it is laid out beside `installers/linux`, whose `debian` folder says where each part is
//! installed; debhelper does the rest. The programs find image and tools beside their folder, as in a
//! checkout's target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::process::{self, command, inherit, output, progress};
use crate::{apt, checkout, image, page, tools};

/// What is run of what cargo builds.
pub(crate) const PROGRAMS: [&str; 3] = ["coracle", "coracle-app", "coracled"];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How the programs are built; dev is for trying the package itself
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    Release,
    Dev,
}

impl Profile {
    /// Cargo's folder for it.
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "debug",
        }
    }

    /// dpkg-deb's compressor and level: small, or soon there.
    fn compression(self) -> [(&'static str, &'static str); 2] {
        let (kind, level) = match self {
            Self::Release => ("xz", "6"),
            Self::Dev => ("gzip", "1"),
        };
        [
            ("DPKG_DEB_COMPRESSOR_TYPE", kind),
            ("DPKG_DEB_COMPRESSOR_LEVEL", level),
        ]
    }
}

/// Builds all, and makes the package.
pub(crate) fn run(options: &Options) -> Result<()> {
    // At once, for who has to type the line.
    let needs = [
        apt::APP,
        apt::PAGE,
        apt::IMAGE,
        apt::TOOLS,
        apt::PYTHON,
        apt::PACKAGE,
    ];
    apt::ensure(&needs.concat())?;
    page::build()?;
    progress("dist", "building the app, the daemon and the command");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .arg("build")
        .args((options.profile == Profile::Release).then_some("--release"))
        .args(["--package", "coracle-app"])
        .args(["--package", "coracled", "--package", "coracle-cli"])
        .current_dir(checkout::root()?);
    inherit(&mut cargo)?;
    image::run(&image::Options::default())?;
    let folder = checkout::target()?.join("dist");
    let package = package(options.profile, revision()?, &folder)?;
    remove_others(&package)?;
    let size = package.metadata()?.len() as f64 / 1e6;
    eprintln!("dist: {} {size:.1} MB", package.display());
    Ok(())
}

/// Grows with each commit: a later build of one version is an upgrade. 1 without a repository.
fn revision() -> Result<u32> {
    let mut count = command("git");
    count.args(["rev-list", "--count", "HEAD"]);
    count.current_dir(checkout::root()?);
    Ok(output(&mut count)
        .ok()
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(1))
}

/// Earlier packages beside this one: `coracle_*.deb` is to be one.
fn remove_others(package: &Path) -> Result<()> {
    let folder = package.parent().context("a package is in a folder")?;
    for found in fs::read_dir(folder)? {
        let (path, name) = found.map(|found| (found.path(), found.file_name()))?;
        let is_package = name
            .to_string_lossy()
            .strip_prefix("coracle_")
            .is_some_and(|rest| rest.ends_with(".deb"));
        if is_package && path != package {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Makes the package of this revision in a folder, from what is built already.
pub(crate) fn package(profile: Profile, revision: u32, folder: &Path) -> Result<PathBuf> {
    apt::ensure(apt::PACKAGE)?;
    let scratch = checkout::scratch(folder)?;
    // debhelper puts the package beside the folder that it works in.
    let stage = scratch.path().join("coracle");
    progress("dist", "laying out the package");
    let version = format!("{}-{revision}", env!("CARGO_PKG_VERSION"));
    lay_out(&stage, profile, &version)?;
    progress("dist", "packing");
    output(
        command("dpkg-buildpackage")
            .args(["--build=binary", "--no-sign", "--no-pre-clean"])
            .envs(profile.compression())
            .current_dir(&stage),
    )?;
    let name = format!("coracle_{version}_{}.deb", Arch::host().debian());
    let package = folder.join(&name);
    fs::rename(scratch.path().join(&name), &package)
        .with_context(|| format!("debhelper made no {name}"))?;
    Ok(package)
}

fn lay_out(stage: &Path, profile: Profile, version: &str) -> Result<()> {
    let (root, target) = (checkout::root()?, checkout::target()?);
    // Modes in the package must not depend on who makes it.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    copy(&root.join("installers/linux"), stage)?;
    copy(&root.join("CHANGELOG.md"), stage)?;
    copy(
        &root.join("src-tauri/icons/icon.png"),
        &stage.join("coracle-app.png"),
    )?;
    fs::write(stage.join("debian/changelog"), changelog(&root, version)?)?;

    let programs = stage.join("programs");
    let image = Path::new("image").join(Arch::host().to_string());
    for folder in ["completions", "man", "programs", "tools"] {
        fs::create_dir(stage.join(folder))?;
    }
    for program in PROGRAMS {
        copy(&target.join(profile.folder()).join(program), &programs)?;
    }
    fs::create_dir_all(stage.join(&image))?;
    for part in image::PARTS {
        copy(&target.join(&image).join(part), &stage.join(&image))?;
    }
    tools::for_any_host(&stage.join("tools"))?;

    let coracle = programs.join("coracle");
    for (shell, file) in [
        ("bash", "coracle"),
        ("fish", "coracle.fish"),
        ("zsh", "_coracle"),
    ] {
        let script = output(Command::new(&coracle).args(["completion", shell]))?;
        fs::write(stage.join("completions").join(file), script)?;
    }
    output(
        Command::new(&coracle)
            .arg("man-pages")
            .arg(stage.join("man")),
    )?;
    Ok(())
}

/// Debian's own log has each version; what changed is in ours, which is installed beside it.
fn changelog(root: &Path, version: &str) -> Result<String> {
    let mut git = process::command("git");
    git.args(["log", "-1", "--format=%aD"]).current_dir(root);
    let date = output(&mut git).context("the package has the date of the last commit")?;
    Ok(format!(
        "coracle ({version}) unstable; urgency=medium\n\n  \
         * What has changed is in changelog.gz beside this file.\n\n \
         -- The Coracle contributors <maintainers@example.invalid>  {date}"
    ))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    output(
        command("cp")
            .args(["--recursive", "--preserve=mode,links", "--reflink=auto"])
            .arg(from)
            .arg(to),
    )?;
    Ok(())
}
