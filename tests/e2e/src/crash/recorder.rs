//! A QEMU that keeps a log of the data disk's writes.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The super block is written with each flush, and after so many entries without one.
const UPDATE_INTERVAL: u32 = 64;

/// Puts the filter `blklogwrites` over the one disk that may be written, under the disk's name.
const WRAPPER: &str = r#"#!/bin/sh
for word; do
    shift
    case $word in driver=raw,node-name=*,discard=unmap,*)
        word=$(printf %s "$word" | sed \
            -e "s|^driver=raw,|driver=blklogwrites,$FILTER,|" \
            -e "s|,file\.driver=file,file\.|,file.driver=raw,file.discard=unmap,file.file.driver=file,file.file.|" \
            -e "s|,file\.aio=|,file.file.aio=|")
    esac
    set -- "$@" "$word"
done
exec "$QEMU" "$@"
"#;

/// The programs' folder, and the log.
pub(super) struct Recorder {
    programs: PathBuf,
    pub(super) log: PathBuf,
}

impl Recorder {
    /// Makes one in this empty folder.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let recorder = Self {
            programs: folder.join("bin"),
            log: folder.join("log"),
        };
        let name = format!("qemu-system-{}", std::env::consts::ARCH);
        let qemu = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|folder| folder.join(&name))
            .find(|file| file.is_file())
            .with_context(|| format!("there is no {name}"))?;
        let filter = format!(
            "log.driver=file,log.filename={},log-super-update-interval={UPDATE_INTERVAL}",
            recorder.log.display()
        );
        let wrapper = WRAPPER
            .replace("$QEMU", &qemu.to_string_lossy())
            .replace("$FILTER", &filter);
        File::create(&recorder.log)?;
        fs::create_dir(&recorder.programs)?;
        let file = recorder.programs.join(name);
        fs::write(&file, wrapper)?;
        fs::set_permissions(&file, Permissions::from_mode(0o755))?;
        Ok(recorder)
    }

    /// The `PATH` on which this QEMU comes before others.
    pub(super) fn path(&self) -> Result<OsString> {
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&rest));
        Ok(std::env::join_paths(all)?)
    }
}
