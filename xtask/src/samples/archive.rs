//! The archive that `docker load` reads: layers, configurations, and one list of the images.
//!
//! buildah writes an archive of one image only. With several in one, a layer
//! that they share is there once.

use crate::digest;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// An image that buildah exported into a folder.
pub(super) struct Image {
    reference: String,
    folder: PathBuf,
    manifest: Manifest,
}

#[derive(Deserialize)]
struct Manifest {
    config: Blob,
    layers: Vec<Blob>,
}

/// Its content is in a file named by the digest.
#[derive(Deserialize)]
struct Blob {
    digest: String,
}

/// An entry of the archive's `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    config: String,
    repo_tags: [&'a str; 1],
    layers: Vec<String>,
}

impl Image {
    /// Reads the manifest. A name without a tag gets `latest`, as everywhere in Docker.
    pub(super) fn new(name: &str, folder: PathBuf) -> Result<Self> {
        let path = folder.join("manifest.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no image manifest", path.display()))?;
        let reference = if name.contains(':') {
            name.to_owned()
        } else {
            format!("{name}:latest")
        };
        Ok(Self {
            reference,
            folder,
            manifest,
        })
    }
}

impl Blob {
    fn hash(&self) -> &str {
        self.digest.trim_start_matches("sha256:")
    }
}

/// Writes the images into one archive.
pub(super) fn write(images: &[Image], into: &Path) -> Result<()> {
    let mut archive = tar::Builder::new(
        File::create(into).with_context(|| format!("cannot make {}", into.display()))?,
    );
    let mut written = BTreeSet::new();
    let mut add = |image: &Image, blob: &Blob, name: &str| -> Result<()> {
        if written.insert(name.to_owned()) {
            let path = image.folder.join(blob.hash());
            // What is shared is found by its digest, so that has to be true.
            ensure!(
                digest::file(&path)? == blob.hash(),
                "{} is damaged",
                path.display()
            );
            let mut file = File::open(&path)?;
            let size = file.metadata()?.len();
            archive.append_data(&mut header(size), name, &mut file)?;
        }
        Ok(())
    };

    let mut entries = Vec::new();
    for image in images {
        let config = format!("{}.json", image.manifest.config.hash());
        add(image, &image.manifest.config, &config)?;
        let mut layers = Vec::new();
        for layer in &image.manifest.layers {
            let name = format!("{}.tar", layer.hash());
            add(image, layer, &name)?;
            layers.push(name);
        }
        entries.push(Entry {
            config,
            repo_tags: [&image.reference],
            layers,
        });
    }

    let list = serde_json::to_vec(&entries)?;
    archive.append_data(&mut header(list.len() as u64), "manifest.json", &list[..])?;
    archive.into_inner()?.flush()?;
    Ok(())
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header
}

#[cfg(test)]
mod tests;
