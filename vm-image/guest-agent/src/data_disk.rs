//! The data disk: made on the first boot, checked on every boot, never made over something unknown.

mod content;
mod layout;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use coracle_guest_api::DATA_DISK;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::command;
use crate::disks::{self, DiskError};
use crate::mounts;
use crate::reaper::Reaper;
use content::{Content, LABEL};

/// Where the data disk is mounted.
pub(crate) const MOUNT: &str = "/var/lib/coracle-data";

/// Folders of the data disk and where the engine expects them, with their modes.
const FOLDERS: &[(&str, &str, u32)] = &[
    ("docker", "/var/lib/docker", 0o710),
    ("containerd", "/var/lib/containerd", 0o711),
];

/// Why there is no data disk. Each is one sentence for the person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDiskError {
    /// The disk is not there or cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Something else is on it.
    #[error(
        "The data disk holds {0}, which Coracle did not make, so it was left untouched: move its file away to start with an empty one."
    )]
    Foreign(String),
    /// A newer image has written it.
    #[error(
        "The data disk has layout {found} and this image knows only up to {known}: update Coracle, or move the disk's file away."
    )]
    Newer {
        /// The disk's layout version.
        found: u32,
        /// This image's.
        known: u32,
    },
    /// A tool failed.
    #[error("The data disk could not be {what}: {text}.")]
    Tool {
        /// What was tried, as a participle.
        what: &'static str,
        /// The tool's last words.
        text: String,
    },
    /// A system call failed.
    #[error("The data disk could not be {what}: {source}.")]
    Io {
        /// What was tried, as a participle.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
}

/// Makes or checks the disk, mounts it and binds the engine's folders from it.
///
/// Returns sentences about damage that was found and mended.
pub(crate) async fn attach(reaper: &Reaper) -> Result<Vec<String>, DataDiskError> {
    let failed = |what| move |source| DataDiskError::Io { what, source };
    let path = tokio::task::spawn_blocking(|| disks::wait_for(DATA_DISK))
        .await
        .map_err(|error| failed("found")(error.into()))??;
    let mut notes = Vec::new();
    let found = content::examine(&path).map_err(failed("read"))?;
    let grown = match found {
        Content::Blank | Content::Interrupted => {
            make(reaper, &path, found == Content::Blank).await?;
            false
        }
        Content::Ours { bytes, disk_bytes } => {
            notes.extend(check(reaper, &path).await?);
            // Less than a block group is not worth a run of resize2fs.
            disk_bytes.saturating_sub(bytes) > 128 << 20
        }
        Content::Foreign(what) => return Err(DataDiskError::Foreign(what)),
    };
    fs::create_dir_all(MOUNT).map_err(failed("mounted"))?;
    mount(
        Some(&path),
        MOUNT,
        Some("ext4"),
        MsFlags::MS_NOATIME,
        Some("discard"),
    )
    .map_err(|error| failed("mounted")(error.into()))?;
    if grown {
        let mut resize = command::program("/usr/sbin/resize2fs");
        run(reaper, resize.arg(&path), "grown").await?;
    }
    layout::bring_up_to_date(Path::new(MOUNT))?;
    bind_folders().map_err(failed("arranged"))?;
    Ok(notes)
}

/// Writes everything out and takes the disk away; read-only if something still holds it.
pub(crate) fn detach() {
    for (_, target, _) in FOLDERS {
        let _ = umount2(*target, MntFlags::MNT_DETACH);
    }
    nix::unistd::sync();
    if umount2(MOUNT, MntFlags::empty()).is_err() {
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        if let Err(error) = mount(None::<&str>, MOUNT, None::<&str>, read_only, None::<&str>) {
            tracing::warn!("the data disk is still in use: {error}");
        }
    }
}

async fn make(reaper: &Reaper, path: &Path, blank: bool) -> Result<(), DataDiskError> {
    tracing::info!("making the data disk's file system");
    let failed = |source| DataDiskError::Io {
        what: "formatted",
        source,
    };
    content::mark_started(path).map_err(failed)?;
    let mut mkfs = command::program("/usr/sbin/mkfs.ext4");
    // A blank sparse file need not be zeroed; what an interrupted format has written must go.
    let storage = if blank {
        "nodiscard,assume_storage_prezeroed=1"
    } else {
        "discard"
    };
    mkfs.args(["-q", "-F", "-L", LABEL, "-m", "0", "-E"])
        .arg(format!("lazy_itable_init=1,lazy_journal_init=1,{storage}"))
        .arg(path);
    run(reaper, &mut mkfs, "formatted").await?;
    content::mark_finished(path).map_err(failed)
}

/// Checks the file system; a sentence if it was damaged beyond what a power cut leaves.
async fn check(reaper: &Reaper, path: &Path) -> Result<Option<String>, DataDiskError> {
    let mut careful = command::program("/usr/sbin/e2fsck");
    let first = output(reaper, careful.arg("-p").arg(path), "checked").await?;
    match first.status.code() {
        Some(0) => return Ok(None),
        // Errors that are safe to mend, 2 in that it asks for a reboot: it is not mounted yet.
        Some(1..=3) => {
            tracing::info!("the data disk was mended: {}", first.text);
            return Ok(None);
        }
        _ => tracing::error!("the data disk is damaged: {}", first.text),
    }
    let mut thorough = command::program("/usr/sbin/e2fsck");
    let second = output(reaper, thorough.args(["-f", "-y"]).arg(path), "repaired").await?;
    tracing::warn!("e2fsck: {}", second.text);
    if !matches!(second.status.code(), Some(0..=3)) {
        return Err(DataDiskError::Tool {
            what: "repaired",
            text: last_line(&second.text),
        });
    }
    // e2fsck throws a broken journal away; without one the next power cut would cost more.
    let mut tune = command::program("/usr/sbin/tune2fs");
    run(
        reaper,
        tune.args(["-O", "has_journal"]).arg(path),
        "repaired",
    )
    .await?;
    Ok(Some(
        "The data disk was damaged and has been repaired; files of containers or volumes may be lost (see lost+found on it).".to_owned(),
    ))
}

fn bind_folders() -> io::Result<()> {
    for (name, target, mode) in FOLDERS {
        let source = Path::new(MOUNT).join(name);
        fs::DirBuilder::new().recursive(true).create(&source)?;
        fs::set_permissions(&source, fs::Permissions::from_mode(*mode))?;
        fs::DirBuilder::new()
            .mode(*mode)
            .recursive(true)
            .create(target)?;
        mounts::bind(&source, Path::new(target))?;
    }
    Ok(())
}

async fn run(
    reaper: &Reaper,
    command: &mut std::process::Command,
    what: &'static str,
) -> Result<(), DataDiskError> {
    let output = output(reaper, command, what).await?;
    if output.status.success() {
        return Ok(());
    }
    Err(DataDiskError::Tool {
        what,
        text: last_line(&output.text),
    })
}

async fn output(
    reaper: &Reaper,
    command: &mut std::process::Command,
    what: &'static str,
) -> Result<command::Output, DataDiskError> {
    command::output(reaper, command)
        .await
        .map_err(|source| DataDiskError::Io { what, source })
}

fn last_line(text: &str) -> String {
    text.lines()
        .last()
        .unwrap_or("no reason was given")
        .to_owned()
}
