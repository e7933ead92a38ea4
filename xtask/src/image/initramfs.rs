//! The initramfs: the guest agent as `/init`, and the modules that find the root.

use crate::arch::Arch;
use crate::checkout;
use crate::process;
use anyhow::{Context, Result};
use cpio::newc::{self, trailer};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CONSOLE: u32 = 0o020_600;

/// Says in which order the modules are loaded.
const ORDER: &str = "order";

/// Builds the guest agent as a static program, and returns its path.
pub(super) fn agent(arch: Arch) -> Result<PathBuf> {
    let target = arch.target();
    let variable = target.to_uppercase().replace('-', "_");
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    process::inherit(
        Command::new(cargo)
            .current_dir(checkout::root()?)
            .args([
                "build",
                "--quiet",
                "--release",
                "--package=coracle-guest-agent",
                "--target",
                target,
            ])
            .env(
                format!("CARGO_TARGET_{variable}_RUSTFLAGS"),
                "-C target-feature=+crt-static",
            )
            .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
            // These would hide the flags above.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )
    .context("cannot build the guest agent")?;
    Ok(checkout::target()?
        .join(target)
        .join("release/coracle-guest-agent"))
}

/// Writes the archive, compressed with zstd. `last` is a module that is loaded after the others.
pub(super) fn write(agent: &Path, modules: &Path, last: Option<&Path>, image: &Path) -> Result<()> {
    let mut archive = Archive::default();
    archive.add("dev", FOLDER, &[])?;
    // The kernel gives it to /init as standard input, output and error.
    archive.device("dev/console", CONSOLE, (5, 1))?;
    archive.add(
        "init",
        PROGRAM,
        &fs::read(agent).with_context(|| format!("cannot read {}", agent.display()))?,
    )?;
    archive.add("modules", FOLDER, &[])?;
    let mut names = fs::read_dir(modules)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let mut content = fs::read(modules.join(&name))?;
        if let (ORDER, Some(last)) = (name.as_str(), last) {
            content.extend(last.file_name().unwrap_or_default().as_encoded_bytes());
            content.push(b'\n');
        }
        archive.add(&format!("modules/{name}"), FILE, &content)?;
    }
    if let Some(last) = last {
        let name = last.file_name().unwrap_or_default().to_string_lossy();
        archive.add(&format!("modules/{name}"), FILE, &fs::read(last)?)?;
    }
    compress(&archive.finish()?, image)
}

fn compress(bytes: &[u8], image: &Path) -> Result<()> {
    let mut zstd = process::command("zstd")
        .args(["-19", "--quiet", "--force", "-o"])
        .arg(image)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot run zstd")?;
    let written = zstd
        .stdin
        .take()
        .context("zstd has no input")?
        .write_all(bytes);
    let status = zstd.wait()?;
    anyhow::ensure!(status.success(), "zstd failed ({status})");
    written.context("zstd did not take its input")
}

/// An archive in cpio's newc format, owned by root, without times.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.entry(newc::Builder::new(name).mode(mode), content)
    }

    fn device(&mut self, name: &str, mode: u32, (major, minor): (u32, u32)) -> Result<()> {
        self.entry(
            newc::Builder::new(name)
                .mode(mode)
                .rdev_major(major)
                .rdev_minor(minor),
            &[],
        )
    }

    fn entry(&mut self, header: newc::Builder, content: &[u8]) -> Result<()> {
        self.entries += 1;
        let length =
            u32::try_from(content.len()).context("a file is too large for an initramfs")?;
        let mut writer = header
            .ino(self.entries)
            .nlink(1)
            .write(&mut self.bytes, length);
        writer.write_all(content)?;
        writer.finish()?;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        trailer(&mut self.bytes)?;
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_reads_back_with_modes_and_contents() {
        let mut archive = Archive::default();
        archive.device("dev/console", CONSOLE, (5, 1)).unwrap();
        archive.add("init", PROGRAM, b"program").unwrap();
        let bytes = archive.finish().unwrap();

        let reader = newc::Reader::new(bytes.as_slice()).unwrap();
        assert_eq!(
            (reader.entry().name(), reader.entry().mode()),
            ("dev/console", CONSOLE)
        );
        assert_eq!(
            (reader.entry().rdev_major(), reader.entry().rdev_minor()),
            (5, 1)
        );
        let mut reader = newc::Reader::new(reader.finish().unwrap()).unwrap();
        assert_eq!(
            (reader.entry().name(), reader.entry().mode()),
            ("init", PROGRAM)
        );
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut content).unwrap();
        assert_eq!(content, b"program");
        let reader = newc::Reader::new(reader.finish().unwrap()).unwrap();
        assert!(reader.entry().is_trailer());
    }
}
