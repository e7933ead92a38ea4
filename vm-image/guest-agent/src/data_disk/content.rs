//! What is on the data disk, before anything is written to it.
//!
//! A disk is formatted only when it is blank, or when a format of it was cut short.
//! For the latter a mark is written into a place that mkfs leaves alone, removed when it
//! is done; it counts only while there is no ext4 on the disk.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Label of the file system, at most 16 bytes.
pub(super) const LABEL: &str = "coracle-data";

/// Bytes at each end that have to be zero on a blank disk: partition tables, RAID and file system
/// signatures all lie there.
const EXAMINED: u64 = 2 << 20;

/// Distance of the mark from the disk's end: inside the examined part, before the last 64 KiB, which mkfs zeroes.
const MARK_FROM_END: u64 = 1 << 20;
const MARK: &[u8; 32] = b"coracle: this disk is in making\n";

/// Offsets in ext4's superblock, which begins at byte 1024.
const SUPERBLOCK: usize = 1024;
const BLOCKS_LOW: usize = SUPERBLOCK + 0x4;
const LOG_BLOCK_SIZE: usize = SUPERBLOCK + 0x18;
const MAGIC: usize = SUPERBLOCK + 0x38;
const VOLUME_NAME: usize = SUPERBLOCK + 0x78;
const BLOCKS_HIGH: usize = SUPERBLOCK + 0x150;

/// What a disk holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Zeros at both ends.
    Blank,
    /// A format that was begun and not finished.
    Interrupted,
    /// Our file system.
    Ours {
        /// Size of the file system.
        bytes: u64,
        /// Size of the disk.
        disk_bytes: u64,
    },
    /// Anything else, described.
    Foreign(String),
}

/// Reads both ends of the disk at `path`.
pub(super) fn examine(path: &Path) -> io::Result<Content> {
    let mut disk = File::open(path)?;
    let size = disk.seek(SeekFrom::End(0))?;
    let head = part(&mut disk, 0, size)?;
    let tail = part(&mut disk, size.saturating_sub(EXAMINED), size)?;
    Ok(judge(&head, &tail, size))
}

/// Leaves the mark of a format in progress.
pub(super) fn mark_started(path: &Path) -> io::Result<()> {
    replace_mark(path, None, MARK)
}

/// Takes the mark away, unless the file system has put something else there.
pub(super) fn mark_finished(path: &Path) -> io::Result<()> {
    replace_mark(path, Some(MARK), &[0; MARK.len()])
}

fn replace_mark(path: &Path, expected: Option<&[u8; 32]>, bytes: &[u8; 32]) -> io::Result<()> {
    let mut disk = File::options().read(true).write(true).open(path)?;
    let at = disk.seek(SeekFrom::End(0))?.saturating_sub(MARK_FROM_END);
    if let Some(expected) = expected {
        let mut found = [0; MARK.len()];
        disk.read_exact_at(&mut found, at)?;
        if found != *expected {
            return Ok(());
        }
    }
    disk.write_all_at(bytes, at)?;
    disk.sync_all()
}

fn part(disk: &mut File, from: u64, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    disk.seek(SeekFrom::Start(from))?;
    disk.take(EXAMINED.min(size - from))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn judge(head: &[u8], tail: &[u8], disk_bytes: u64) -> Content {
    if let Some((bytes, label)) = ext4(head) {
        return if label == LABEL {
            Content::Ours { bytes, disk_bytes }
        } else {
            Content::Foreign(format!("an ext file system with the label `{label}`"))
        };
    }
    let mark = tail
        .len()
        .checked_sub(MARK_FROM_END as usize)
        .map(|at| &tail[at..]);
    if mark.is_some_and(|text| text.starts_with(MARK)) {
        return Content::Interrupted;
    }
    if is_zero(head) && is_zero(tail) {
        return Content::Blank;
    }
    Content::Foreign("unknown data".to_owned())
}

/// Size and label of an ext file system.
fn ext4(head: &[u8]) -> Option<(u64, String)> {
    if head.get(MAGIC..MAGIC + 2)? != [0x53, 0xef] {
        return None;
    }
    let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let blocks = u64::from(number(BLOCKS_LOW)?) | u64::from(number(BLOCKS_HIGH)?) << 32;
    let block_size = 1024u64.checked_shl(number(LOG_BLOCK_SIZE)?)?;
    let name = head.get(VOLUME_NAME..VOLUME_NAME + 16)?;
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    Some((
        blocks.saturating_mul(block_size),
        String::from_utf8_lossy(&name[..end]).into_owned(),
    ))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0)
}

#[cfg(test)]
mod tests;
