use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::platform;

const BUFFER: usize = 1 << 20;

/// CRC-32 over the written parts of a sparse file, from an offset on, and where they are.
pub(super) fn of(path: &Path, from: u64) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; BUFFER];
    for range in platform::data_ranges(&file)? {
        let mut at = range.start.max(from);
        file.seek(SeekFrom::Start(at))?;
        while at < range.end {
            let wanted = BUFFER.min((range.end - at) as usize);
            let count = file.read(&mut buffer[..wanted])?;
            if count == 0 {
                break;
            }
            // A block of zeros counts like a hole: which of the two it is may change with a copy.
            if buffer[..count].iter().any(|byte| *byte != 0) {
                hasher.update(&at.to_le_bytes());
                hasher.update(&buffer[..count]);
            }
            at += count as u64;
        }
    }
    Ok(hasher.finalize())
}
