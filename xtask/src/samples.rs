//! `cargo xtask samples`: images ready for `docker load`, in `target/samples`.
//!
//! They are built on the host from the Dockerfiles that `docker build` would
//! use, so that an engine without a registry, and slow under emulation, has
//! them at once: the base image from Debian's packages, the rest by buildah.
//!
//! ```text
//! mmdebstrap ─► debian:trixie-slim ─► buildah, one store for all ─► archives in the cache ─► target/samples
//! ```

mod archive;
mod base;
mod buildah;

use crate::apt;
use crate::checkout;
use crate::debian;
use crate::digest::Digest;
use crate::process::progress;
use anyhow::{Context, Result};
use archive::Image;
use buildah::Buildah;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Default, clap::Args)]
pub(crate) struct Options {
    /// Fetch Debian's newest packages, even if the Dockerfiles were built before
    #[arg(long)]
    refresh: bool,
}

/// An archive for `docker load`, and the images in it besides [`base::NAME`].
struct Archive {
    file: &'static str,
    /// Each image's name and the folder of its Dockerfile.
    images: &'static [(&'static str, &'static str)],
    /// Whether the base image is among them, which costs nothing where its layer is there anyway.
    with_base: bool,
}

const ARCHIVES: &[Archive] = &[
    Archive {
        file: "voting-app.tar",
        images: &[
            ("coracle-sample/vote", "examples/voting-app/vote"),
            ("coracle-sample/result", "examples/voting-app/result"),
            ("coracle-sample/worker", "examples/voting-app/worker"),
            ("coracle-sample/redis", "examples/voting-app/redis"),
            ("coracle-sample/postgres", "examples/voting-app/postgres"),
        ],
        with_base: true,
    },
    Archive {
        file: "debian-trixie-slim.tar",
        images: &[],
        with_base: true,
    },
    Archive {
        file: "busybox.tar",
        images: &[("coracle-sample/busybox", "tests/images/busybox")],
        with_base: false,
    },
    Archive {
        file: "plugin.tar",
        images: &[("coracle-sample/plugin", "tests/images/plugin")],
        with_base: false,
    },
];

/// Builds the archives whose ingredients changed, and puts all of them in `target/samples`.
pub(crate) fn run(options: &Options) -> Result<()> {
    apt::ensure(apt::SAMPLES)?;
    let cache = checkout::cache("samples")?;
    let root = checkout::root()?;

    let mut entries = Vec::new();
    for archive in ARCHIVES {
        entries.push((archive, cache.join(archive.entry(&root)?)));
    }
    let missing: Vec<_> = entries
        .iter()
        .filter(|(_, entry)| options.refresh || !entry.is_dir())
        .collect();
    if !missing.is_empty() {
        let base = base::prepare(&cache, options.refresh)?;
        let buildah = Buildah::new(&cache)?;
        progress("samples", "importing the base image");
        buildah.import(base::NAME, &base)?;
        for (archive, entry) in missing {
            archive.build(&root, &buildah, entry)?;
        }
    }

    let folder = checkout::target()?.join("samples");
    for (archive, entry) in &entries {
        deliver(&entry.join(archive.file), &folder.join(archive.file))?;
    }
    Ok(())
}

impl Archive {
    /// The name in the cache; another one whenever an ingredient changes.
    fn entry(&self, root: &Path) -> Result<String> {
        let mut digest = Digest::default();
        for recipe in [
            include_str!("samples/base.rs"),
            include_str!("samples/buildah.rs"),
            include_str!("samples/archive.rs"),
        ] {
            digest.add(recipe);
        }
        debian::sources().iter().for_each(|line| digest.add(line));
        digest.add([u8::from(self.with_base)]);
        for (name, folder) in self.images {
            digest.add(name);
            digest.add_tree(&root.join(folder))?;
        }
        Ok(format!("{}-{}", self.file, &digest.finish()[..16]))
    }

    fn build(&self, root: &Path, buildah: &Buildah, entry: &Path) -> Result<()> {
        let scratch = checkout::scratch(entry.parent().context("an entry is in the cache")?)?;
        let mut images = Vec::new();
        for (name, folder) in self.images {
            progress("samples", &format!("building {name}"));
            buildah
                .build(name, &root.join(folder))
                .with_context(|| format!("cannot build {folder}"))?;
            images.push(Image::new(name, buildah.export(name)?)?);
        }
        if self.with_base {
            images.push(Image::new(base::NAME, buildah.export(base::NAME)?)?);
        }
        progress("samples", &format!("writing {}", self.file));
        archive::write(&images, &scratch.path().join(self.file))?;
        debian::publish(scratch, entry)
    }
}

/// Puts a file of the cache at its destination, without a copy where the file system allows it.
fn deliver(from: &Path, to: &PathBuf) -> Result<()> {
    let damaged = || format!("the cache is damaged: remove {}", from.display());
    let scratch = checkout::scratch(to.parent().context("the folder of samples")?)?;
    let new = scratch.path().join("new");
    if fs::hard_link(from, &new).is_err() {
        fs::copy(from, &new).with_context(damaged)?;
    }
    fs::rename(&new, to).with_context(|| format!("cannot make {}", to.display()))?;
    let size = to.metadata()?.len() as f64 / 1e6;
    eprintln!("samples: {} {size:.1} MB", to.display());
    Ok(())
}
