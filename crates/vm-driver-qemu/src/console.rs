//! The log of the guest's serial console.

use std::path::{Path, PathBuf};
use std::{fs, io};

const ROTATE_ABOVE: u64 = 10 << 20;

/// Makes sure that the log can be appended to; a large one becomes `<name>.1`.
/// Returns its length.
pub(crate) fn prepare(log: &Path) -> io::Result<u64> {
    let length = length(log);
    if length > ROTATE_ABOVE {
        fs::rename(log, older(log))?;
    }
    fs::OpenOptions::new().create(true).append(true).open(log)?;
    Ok(self::length(log))
}

/// Its length now; 0 when there is none.
pub(crate) fn length(log: &Path) -> u64 {
    fs::metadata(log).map_or(0, |metadata| metadata.len())
}

fn older(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_log_is_kept_and_a_large_one_moved() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("vm.log");
        assert_eq!(prepare(&log).unwrap(), 0);
        fs::write(&log, "booting\n").unwrap();
        assert_eq!(prepare(&log).unwrap(), 8);
        let file = fs::File::options().write(true).open(&log).unwrap();
        file.set_len(ROTATE_ABOVE + 1).unwrap();
        assert_eq!(prepare(&log).unwrap(), 0);
        assert_eq!(length(&dir.path().join("vm.log.1")), ROTATE_ABOVE + 1);
    }
}
