//! Leaves nothing behind: no process, no folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use crate::process;

const PREFIX: &str = "cr-";
const OWNER: &str = "owner";

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static WATCH: Once = Once::new();

/// Has the folder cleaned up if the test program is interrupted. Call before any other
/// thread is started, as the signals are taken by a thread of their own.
pub(crate) fn register(folder: &Path) {
    WATCH.call_once(|| {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.add(Signal::SIGHUP);
        if signals.thread_block().is_ok() {
            std::thread::spawn(move || {
                if let Ok(signal) = signals.wait() {
                    let folders = FOLDERS.lock().map(|list| list.clone()).unwrap_or_default();
                    folders.iter().for_each(|folder| sweep(folder));
                    std::process::exit(128 + signal as i32);
                }
            });
        }
    });
    let _ = fs::write(folder.join(OWNER), std::process::id().to_string());
    if let Ok(mut folders) = FOLDERS.lock() {
        folders.push(folder.to_owned());
    }
}

/// Ends every process of the Coracle below the folder, then removes the folder.
pub(crate) fn sweep(folder: &Path) {
    let home = folder.join(".coracle");
    let start = Instant::now();
    loop {
        let left = process::of_state(&home.to_string_lossy());
        if left.is_empty() || start.elapsed() > Duration::from_secs(20) {
            break;
        }
        for id in left {
            // It may have ended since.
            let _ = process::kill(id);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    if std::env::var_os("CORACLE_TEST_KEEP").is_none() {
        // The daemon's state is of mode 0700 and ours, so what remains is a mount or a bug.
        if let Err(error) = fs::remove_dir_all(folder)
            && folder.exists()
        {
            eprintln!("cannot remove {}: {error}", folder.display());
        }
    }
    if let Ok(mut folders) = FOLDERS.lock() {
        folders.retain(|other| other != folder);
    }
}

/// A new folder `/tmp/cr-…`: short, as sockets lie below it.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    remove_orphans();
    let folder = tempfile::Builder::new()
        .prefix(PREFIX)
        .rand_bytes(6)
        .tempdir_in("/tmp")?;
    Ok(folder.keep())
}

/// What a test program left that was itself killed.
fn remove_orphans() {
    for entry in fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let folder = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if let (true, Ok(owner)) = (ours, fs::read_to_string(folder.join(OWNER)))
            && let Ok(owner) = owner.trim().parse::<u32>()
            && !Path::new(&format!("/proc/{owner}")).exists()
            && std::env::var_os("CORACLE_TEST_KEEP").is_none()
        {
            sweep(&folder);
        }
    }
}
