use std::fs::File;
use std::io;
use std::path::Path;

use crate::platform;

/// The folder that everything unpacks into.
const FOLDER: &str = "coracle-diagnose";

/// A tar file that only its owner can read.
pub(super) struct Archive {
    tar: tar::Builder<File>,
    time: u64,
}

impl Archive {
    /// `time` is what the entries carry, in seconds since 1970.
    pub(super) fn create(path: &Path, time: u64) -> io::Result<Self> {
        let tar = tar::Builder::new(platform::create_private_file(path)?);
        Ok(Self { tar, time })
    }

    pub(super) fn add(&mut self, name: &str, content: &str) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.time);
        self.tar
            .append_data(&mut header, format!("{FOLDER}/{name}"), content.as_bytes())
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.tar.into_inner()?.sync_all()
    }
}
