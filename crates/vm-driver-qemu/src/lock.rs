//! Whether a disk's file is in use.
//!
//! QEMU and `qemu-img` hold locks on bytes of each file that they have open (from 100 on what they do with it,
//! from 200 on what nobody else may), for as long as they live. Who comes too early fails with `Failed to
//! get "write" lock`, maybe halfway; so everything waits here first. Why: `docs/adr/0010-snapshots.md`.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use coracle_vm_driver::DriverError;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use tokio::time::{Instant, sleep};

/// A QEMU that was killed is gone when the host has taken back all of its memory.
pub(crate) const WITHIN: Duration = Duration::from_secs(15);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where in a file the locks are.
const LOCKS: Range<i64> = 100..300;

/// Waits until nobody uses this file any more, or says that somebody does after this time.
pub(crate) async fn await_released(disk: &Path, within: Duration) -> Result<(), DriverError> {
    let begun = Instant::now();
    while is_in_use(disk) {
        if begun.elapsed() > within {
            return Err(DriverError::Start(format!(
                "{} is in use by another process, maybe a VM whose daemon was killed, and still was after {} s: \
                 end that process, then try again",
                disk.display(),
                within.as_secs()
            )));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// What cannot be looked at is left to QEMU, which says what is wrong with it.
fn is_in_use(disk: &Path) -> bool {
    let Ok(file) = File::open(disk) else {
        return false;
    };
    let mut lock = lock(libc::F_WRLCK, LOCKS);
    let looked = fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock));
    looked.is_ok() && i32::from(lock.l_type) != libc::F_UNLCK
}

fn lock(kind: i32, bytes: Range<i64>) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: bytes.start,
        l_len: bytes.end - bytes.start,
        // As the kernel wants it for locks that belong to an open file, not to a process.
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_is_waited_for_until_its_user_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        let now = Duration::ZERO;
        await_released(&disk, now).await.unwrap();
        std::fs::write(&disk, "disk").unwrap();
        await_released(&disk, now).await.unwrap();

        // As QEMU does it.
        let user = File::open(&disk).unwrap();
        let shared = lock(libc::F_RDLCK, 101..102);
        fcntl(&user, FcntlArg::F_OFD_SETLK(&shared)).unwrap();
        let error = await_released(&disk, now).await.unwrap_err().to_string();
        assert!(error.contains("in use by another process"), "{error}");
        let (waited, ()) = tokio::join!(await_released(&disk, WITHIN), async {
            sleep(LOOK_EVERY * 3).await;
            drop(user);
        });
        waited.unwrap();
    }
}
