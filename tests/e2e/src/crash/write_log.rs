//! The log of a disk's writes, as QEMU's `blklogwrites` makes it in the form of Linux' `dm-log-writes`.
//!
//! A super block of one sector, then the entries: a header that fills a sector, then the data. All numbers are
//! little-endian.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::fcntl::{FallocateFlags, fallocate};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;

/// An entry's flags. That which is written through (2) is a write like others here: it is flushed, too.
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;
const KNOWN: u64 = 0xf;

/// At most so much is read at a time.
const PIECE: u64 = 1 << 20;

pub(super) struct WriteLog {
    file: File,
    sector_size: u64,
    entries: Vec<Entry>,
}

/// A write, a discard, or a flush without data.
#[derive(Clone, Copy, Debug)]
struct Entry {
    sector: u64,
    sectors: u64,
    flags: u64,
    /// Where its data is in the log.
    data: u64,
}

/// How many entries a log has that may be in use: those of each flush that the guest knows of are among them.
pub(super) fn entries(log: &Path) -> Result<u64> {
    Ok(super_block(&File::open(log)?)?.0)
}

/// The number of entries and the size of a sector.
fn super_block(file: &File) -> Result<(u64, u64)> {
    let [magic, version, entries, sector_size] = words(file, 0)?;
    ensure!(magic == MAGIC, "no log of writes");
    ensure!(version == VERSION, "a log of version {version}");
    // The upper half is padding.
    Ok((entries, sector_size & u64::from(u32::MAX)))
}

fn words(file: &File, at: u64) -> Result<[u64; 4]> {
    let mut bytes = [0; 32];
    file.read_exact_at(&mut bytes, at)
        .with_context(|| format!("the log at {at}"))?;
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into()?);
    }
    Ok(words)
}

impl WriteLog {
    /// Reads the log of a disk that is not in use any more.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let (count, sector_size) = super_block(&file)?;
        ensure!(sector_size >= 512, "sectors of {sector_size} bytes");
        let mut entries = Vec::new();
        let mut at = sector_size;
        for number in 0..count {
            let [sector, sectors, flags, length] = words(&file, at)?;
            if (sectors, flags) == (0, 0) {
                // It has its place and was not written when QEMU was killed.
                break;
            }
            ensure!(
                flags & !KNOWN == 0 && length == 0,
                "entry {number} at {at}: flags {flags}, {length} bytes of text"
            );
            let data = at + sector_size;
            entries.push(Entry {
                sector,
                sectors,
                flags,
                data,
            });
            at = match flags & DISCARD {
                0 => data + sectors * sector_size,
                _ => data,
            };
        }
        Ok(Self {
            file,
            sector_size,
            entries,
        })
    }

    /// The numbers of the flushes from that entry on.
    pub(super) fn flushes(&self, from: usize) -> Vec<usize> {
        (from..self.entries.len())
            .filter(|number| self.is_flush(*number))
            .collect()
    }

    /// What was written after that flush and before the next one.
    pub(super) fn until_next_flush(&self, flush: usize) -> Range<usize> {
        let from = flush + 1;
        let to = (from..self.entries.len()).find(|number| self.is_flush(*number));
        from..to.unwrap_or(self.entries.len())
    }

    fn is_flush(&self, number: usize) -> bool {
        self.entries[number].flags & FLUSH != 0
    }

    /// Does to the disk what was done to the one that was recorded.
    pub(super) fn replay(&self, numbers: Range<usize>, disk: &File) -> Result<()> {
        for entry in &self.entries[numbers] {
            let (to, length) = (
                entry.sector * self.sector_size,
                entry.sectors * self.sector_size,
            );
            if entry.flags & DISCARD != 0 {
                zero(disk, to, length)?;
                continue;
            }
            for from in (0..length).step_by(PIECE as usize) {
                let mut bytes = vec![0; PIECE.min(length - from) as usize];
                self.file.read_exact_at(&mut bytes, entry.data + from)?;
                match bytes.iter().all(|byte| *byte == 0) {
                    true => zero(disk, to + from, bytes.len() as u64)?,
                    false => disk.write_all_at(&bytes, to + from)?,
                }
            }
        }
        Ok(())
    }
}

/// Makes it a hole, which reads as zeros.
fn zero(disk: &File, at: u64, length: u64) -> Result<()> {
    let mode = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    Ok(fallocate(disk, mode, at as i64, length as i64)?)
}

#[cfg(test)]
mod tests;
