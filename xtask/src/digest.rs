//! SHA-256 of files and of folders.

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// A running hash whose parts cannot run into one another.
#[derive(Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds a part.
    pub(crate) fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// Adds a file, or every file of a folder with its name and whether it is executable.
    pub(crate) fn add_tree(&mut self, path: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        if !path.is_dir() {
            let content =
                fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let executable = path.metadata()?.permissions().mode() & 0o100 != 0;
            self.add([u8::from(executable)]);
            self.add(content);
            return Ok(());
        }
        let mut names = fs::read_dir(path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            self.add(name.as_encoded_bytes());
            self.add_tree(&path.join(name))?;
        }
        Ok(())
    }

    /// The hash in hexadecimal.
    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// A file's SHA-256 in hexadecimal.
pub(crate) fn file(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
