use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;
use sha2::{Digest, Sha256};

/// An image of this size is made of a file that does not compress, saved, checked on the host, removed and
/// loaded again. `CORACLE_TEST_IMAGE_MB` makes it smaller for a quick run.
pub(super) fn load_and_save_500_mb(coracle: &Coracle) -> Result<()> {
    let megabytes = match std::env::var("CORACLE_TEST_IMAGE_MB") {
        Ok(text) => text
            .parse()
            .context("CORACLE_TEST_IMAGE_MB is not a number")?,
        Err(_) => 500,
    };
    let work = coracle.work("large")?;
    let digest = make_layer(&work.join("layer.tar"), megabytes)?;
    coracle
        .docker(["import"])
        .arg(work.join("layer.tar"))
        .arg("large")
        .ok()?;
    fs::remove_file(work.join("layer.tar"))?;
    let before = layers(coracle)?;
    coracle
        .docker(["save", "--output"])
        .arg(work.join("saved.tar"))
        .arg("large")
        .ok()?;
    let found = digest_in_image(&work.join("saved.tar"))?;
    ensure!(
        found == digest,
        "the saved file has {found}, the original {digest}"
    );
    coracle.docker(["image", "rm", "large"]).ok()?;
    // The engine checks each layer against its digest while it loads.
    coracle
        .docker(["load", "--input"])
        .arg(work.join("saved.tar"))
        .ok()?;
    let after = layers(coracle)?;
    ensure!(before == after, "the layers were {before} and are {after}");
    coracle.docker(["image", "rm", "large"]).ok()?;
    Ok(fs::remove_dir_all(&work)?)
}

fn layers(coracle: &Coracle) -> Result<String> {
    coracle
        .docker([
            "image",
            "inspect",
            "--format",
            "{{json .RootFS.Layers}}",
            "large",
        ])
        .text()
}

/// Writes a tar with one file of noise, and returns the file's digest.
fn make_layer(path: &Path, megabytes: u64) -> Result<String> {
    let block = crate::images::noise(1 << 20);
    let mut header = tar::Header::new_ustar();
    header.set_path("noise")?;
    header.set_size(megabytes << 20);
    header.set_mode(0o644);
    header.set_cksum();
    let mut file = File::create(path)?;
    file.write_all(header.as_bytes())?;
    let mut hasher = Sha256::new();
    for number in 0..megabytes {
        // Each block another one, or a file system or a compressor might find the repetition.
        let mask = (number as u8).wrapping_mul(151);
        let block: Vec<u8> = block.iter().map(|byte| byte ^ mask).collect();
        hasher.update(&block);
        file.write_all(&block)?;
    }
    file.write_all(&[0; 1024])?;
    Ok(format!("{:x}", hasher.finalize()))
}

/// Finds the layer in a saved image, and in it the file.
fn digest_in_image(path: &Path) -> Result<String> {
    let mut image = tar::Archive::new(File::open(path)?);
    for entry in image.entries()? {
        let entry = entry?;
        if entry.size() < 1 << 20 || !entry.header().entry_type().is_file() {
            continue;
        }
        let mut layer = tar::Archive::new(entry);
        for file in layer.entries()? {
            let mut file = file?;
            if file.path()?.as_ref() == Path::new("noise") {
                return digest(&mut file);
            }
        }
    }
    anyhow::bail!("the saved image has no layer with the file")
}

fn digest(reader: &mut impl Read) -> Result<String> {
    let mut hasher = Sha256::new();
    io::copy(reader, &mut hasher)?;
    Ok(format!("{:x}", hasher.finalize()))
}
