//! The guest's memory: a file without a name on the host, and its way to the disk and back.
//!
//! QEMU can save memory by itself, but it looks at each page whether it is zero, and the look at a page
//! of shared memory that was never written makes the host allocate it. It also fills the host's page cache with
//! what nobody reads soon. So QEMU saves its devices only, and the driver copies what is
//! allocated, past the page cache, with a checksum on the way.
//!
//! ```text
//!  0         4096                      4096 + memory
//!  │ header  │ memory, sparse          │ devices, as QEMU writes them
//! ```
//!
//! The header: magic, length of the memory, checksum of the memory (64 bits each, little-endian), zeros.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Whence, lseek};

/// Length of the header, and what a disk wants reads and writes past the page cache to be aligned to.
const HEADER: u64 = 4096;

const MAGIC: &[u8; 16] = b"coracle memory 1";

/// What a thread copies at a time.
const PIECE: u64 = 4 << 20;

/// Memory is left out, and counted in the checksum, in blocks of this length.
const BLOCK: usize = 64 << 10;

/// One waits for the disk while the other looks for zeros.
const THREADS: usize = 2;

/// The memory of one guest.
#[derive(Clone)]
pub(crate) struct Ram {
    file: Arc<File>,
    bytes: u64,
}

impl Ram {
    /// Empty memory, of which nothing is allocated.
    pub(crate) fn new(bytes: u64) -> io::Result<Self> {
        let file = File::from(memfd_create("coracle-memory", MFdFlags::MFD_CLOEXEC)?);
        file.set_len(bytes)?;
        let file = Arc::new(file);
        Ok(Self { file, bytes })
    }

    /// For a process to inherit.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Where QEMU's part of a file with this memory begins.
    pub(crate) fn end(&self) -> u64 {
        HEADER + self.bytes
    }

    /// What is allocated of it, in bytes.
    pub(crate) fn allocated(&self) -> u64 {
        self.file
            .metadata()
            .map_or(0, |metadata| metadata.blocks() * 512)
    }

    /// Writes header and memory, of a guest that is paused, into a file that has nothing before
    /// [`end`](Self::end) yet.
    pub(crate) fn save(&self, memory: &Path) -> io::Result<()> {
        past_the_cache(OpenOptions::new().write(true), memory, |to| {
            self.save_to(&to)
        })
    }

    fn save_to(&self, to: &File) -> io::Result<()> {
        let written = data_ranges(&self.file, 0, self.bytes)?;
        let checksum = copy(&pieces(&written), (&self.file, 0), (to, HEADER))?;
        let mut header = Aligned::new(HEADER as usize);
        let header = header.bytes();
        header[..16].copy_from_slice(MAGIC);
        header[16..24].copy_from_slice(&self.bytes.to_le_bytes());
        header[24..32].copy_from_slice(&checksum.to_le_bytes());
        to.write_all_at(header, 0)
    }

    /// Reads the memory that another guest of this size has saved into this one, which is empty.
    pub(crate) fn load(&self, memory: &Path) -> io::Result<()> {
        past_the_cache(OpenOptions::new().read(true), memory, |from| {
            self.load_from(&from)
        })
    }

    fn load_from(&self, from: &File) -> io::Result<()> {
        let mut header = Aligned::new(HEADER as usize);
        let header = header.bytes();
        let count = from.read_at(header, 0)?;
        let whole = count == header.len() && from.metadata()?.len() > self.end();
        if !whole || header[..16] != *MAGIC || header[16..24] != self.bytes.to_le_bytes() {
            return Err(io::Error::other(
                "it is damaged, or not the memory of this VM",
            ));
        }
        let written = data_ranges(from, HEADER, self.bytes)?;
        let checksum = copy(&pieces(&written), (from, HEADER), (&self.file, 0))?;
        match header[24..32] == checksum.to_le_bytes() && header[32..].iter().all(|byte| *byte == 0)
        {
            true => Ok(()),
            false => Err(io::Error::other("it is damaged: the checksum is wrong")),
        }
    }
}

/// Past the page cache, where the file system can. Some refuse that only when they are read or written.
fn past_the_cache<T>(
    options: &OpenOptions,
    path: &Path,
    act: impl Fn(File) -> io::Result<T>,
) -> io::Result<T> {
    let direct = options
        .clone()
        .custom_flags(OFlag::O_DIRECT.bits())
        .open(path)
        .and_then(&act);
    match direct {
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {
            act(options.open(path)?)
        }
        done => done,
    }
}

/// The parts of the memory that are not holes, in whole blocks; it begins at `base` of the file.
fn data_ranges(file: &File, base: u64, bytes: u64) -> io::Result<Vec<Range<u64>>> {
    let (mut ranges, mut from) = (Vec::new(), 0);
    while from < bytes {
        let start = match lseek(file, (base + from) as i64, Whence::SeekData) {
            Ok(start) if (start as u64) < base + bytes => start as u64,
            Ok(_) | Err(Errno::ENXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = lseek(file, start as i64, Whence::SeekHole)? as u64 - base;
        let start = (start - base) / BLOCK as u64 * BLOCK as u64;
        let end = end.next_multiple_of(BLOCK as u64).min(bytes);
        ranges.push(start.max(from)..end);
        from = end;
    }
    Ok(ranges)
}

fn pieces(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let cut = |range: &Range<u64>| {
        let end = range.end;
        let starts = range.clone().step_by(PIECE as usize);
        starts.map(move |start| start..end.min(start + PIECE))
    };
    ranges.iter().flat_map(cut).collect()
}

/// Copies pieces of the memory between files, in each of which it begins at an offset. Zeros are left
/// out. The checksum is the same in whatever pieces and order it is copied.
fn copy(pieces: &[Range<u64>], from: (&File, u64), to: (&File, u64)) -> io::Result<u64> {
    let next = AtomicUsize::new(0);
    let some = || -> io::Result<u64> {
        let mut space = Aligned::new(PIECE as usize);
        let mut sum = 0_u64;
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let length = (piece.end - piece.start) as usize;
            let bytes = &mut space.bytes()[..length];
            from.0.read_exact_at(bytes, from.1 + piece.start)?;
            for run in not_zero(bytes) {
                let at = piece.start + run.start as u64;
                to.0.write_all_at(&bytes[run.clone()], to.1 + at)?;
                sum = sum.wrapping_add(checksum(at, &bytes[run]));
            }
        }
        Ok(sum)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(some)).collect();
        threads.into_iter().try_fold(0_u64, |sum, thread| {
            let panicked = |_| io::Error::other("a copying thread panicked");
            Ok(sum.wrapping_add(thread.join().map_err(panicked)??))
        })
    })
}

/// The sum over blocks of the CRC-32 of where a block is and of what is in it.
fn checksum(at: u64, bytes: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for (at, block) in (at..).step_by(BLOCK).zip(bytes.chunks(BLOCK)) {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&at.to_le_bytes());
        hasher.update(block);
        sum = sum.wrapping_add(hasher.finalize().into());
    }
    sum
}

/// Runs of blocks that have something in them.
fn not_zero(bytes: &[u8]) -> Vec<Range<usize>> {
    static ZEROS: [u8; BLOCK] = [0; BLOCK];
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for block in bytes.chunks(BLOCK) {
        let end = start + block.len();
        if block != &ZEROS[..block.len()] {
            match runs.last_mut() {
                Some(run) if run.end == start => run.end = end,
                _ => runs.push(start..end),
            }
        }
        start = end;
    }
    runs
}

/// Bytes where reads and writes past the page cache want them.
struct Aligned {
    space: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    fn new(length: usize) -> Self {
        let space = vec![0; length + HEADER as usize];
        let start = space.as_ptr().align_offset(HEADER as usize);
        Self {
            space,
            start,
            length,
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.space[self.start..][..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 32 << 20;

    #[test]
    fn memory_comes_back_with_its_holes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        let ram = Ram::new(SIZE).unwrap();
        let places = [0, 8191, (5 << 20) + 3, SIZE - 1];
        for at in places {
            ram.file.write_all_at(b"x", at).unwrap();
        }
        // Allocated, and nothing in it.
        ram.file.write_all_at(&[0; BLOCK], 16 << 20).unwrap();
        let devices = File::create(&path).unwrap();
        devices.write_all_at(b"devices", ram.end()).unwrap();
        let before = ram.allocated();
        ram.save(&path).unwrap();
        assert_eq!(ram.allocated(), before, "a look allocates nothing");

        let again = Ram::new(SIZE).unwrap();
        again.load(&path).unwrap();
        assert!(again.allocated() <= 4 * BLOCK as u64);
        let mut bytes = vec![0; SIZE as usize];
        again.file.read_exact_at(&mut bytes, 0).unwrap();
        let found: Vec<u64> = (0..SIZE).filter(|at| bytes[*at as usize] != 0).collect();
        assert_eq!(found, places);
    }

    #[test]
    fn what_is_no_memory_of_this_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        let ram = Ram::new(SIZE).unwrap();
        for damaged in [&b""[..], b"QEVM, and no more of it", MAGIC] {
            std::fs::write(&path, damaged).unwrap();
            assert!(ram.load(&path).is_err());
        }
        ram.save(&path).unwrap();
        assert!(ram.load(&path).is_err(), "it ends before the devices");
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"devices", ram.end()).unwrap();
        ram.load(&path).unwrap();
        assert!(Ram::new(SIZE * 2).unwrap().load(&path).is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        let ram = Ram::new(SIZE).unwrap();
        ram.file.write_all_at(&[7; 100], 9 << 20).unwrap();
        let devices = File::create(&path).unwrap();
        devices.write_all_at(b"devices", ram.end()).unwrap();
        ram.save(&path).unwrap();
        let load = || Ram::new(SIZE).unwrap().load(&path);
        load().unwrap();
        for at in [0, 20, 24, 40, HEADER, HEADER + (9 << 20), HEADER + SIZE - 1] {
            let mut byte = [0];
            writable(&path).read_exact_at(&mut byte, at).unwrap();
            writable(&path).write_all_at(&[!byte[0]], at).unwrap();
            let error = load().unwrap_err().to_string();
            assert!(error.contains("damaged"), "{at}: {error}");
            writable(&path).write_all_at(&byte, at).unwrap();
        }
        load().unwrap();
    }

    fn writable(path: &Path) -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true).open(path).unwrap()
    }
}
