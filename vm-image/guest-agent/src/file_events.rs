//! Changes that the host made to a share, as inotify events in the guest.
//!
//! The kernel module raises every kind ([`module`]); without it system calls raise some
//! ([`system_calls`]), and the status says so.

mod module;
mod system_calls;

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use coracle_guest_api::file_events::{Batch, FileEvent, Outcome};
use nix::fcntl::OFlag;

use crate::guest::Guest;
use module::ModuleMissing;
use system_calls::SystemCalls;

/// What the degradation is about.
const ABOUT: &str = "file events";

/// Delivers batches in their order. Blocks.
pub(crate) struct Delivery(SystemCalls);

impl Delivery {
    /// Says at once if there is no module; has it see from now on what the guest itself does to the shares: an echo of what
    /// it has not seen would pass for the host's own.
    pub(crate) fn new(guest: &Guest) -> Self {
        tell(guest, module::is_loaded());
        for share in guest.share_paths() {
            if let Err(ModuleMissing::No(error)) = deliver_whole(&share, &[]) {
                tracing::warn!("the guest's own changes to {share} are not seen yet: {error}");
            }
        }
        Self(SystemCalls::default())
    }

    /// Freshens what the guest has cached of the changed files, then raises the events.
    pub(crate) fn deliver(&mut self, guest: &Guest, batch: &Batch) -> Outcome {
        if !guest.share_paths().contains(&batch.share) {
            return Outcome::Not;
        }
        match deliver_whole(&batch.share, &batch.events) {
            Ok(echoes) => {
                tell(guest, true);
                Outcome::Whole { echoes }
            }
            Err(ModuleMissing::No(error)) => {
                tracing::warn!("file events of {} were lost: {error}", batch.share);
                Outcome::Not
            }
            Err(ModuleMissing::Yes) => {
                tell(guest, false);
                self.0.deliver(batch);
                Outcome::InPart
            }
        }
    }
}

fn deliver_whole(share: &str, events: &[FileEvent]) -> Result<Vec<u8>, ModuleMissing> {
    let root = open_path(Path::new(share)).map_err(ModuleMissing::No)?;
    module::write(&root, events)
}

/// How many names of a share that nobody uses the guest remembers; the host's server has a file open
/// for each. Without the module only a lack of memory makes it forget.
pub(crate) fn remember_at_most(names: u64) {
    if let Err(error) = module::remember_at_most(names)
        && module::is_loaded()
    {
        tracing::warn!("the number of names to remember was not set: {error}");
    }
}

/// Without an OPEN event.
fn open_path(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .custom_flags((OFlag::O_PATH | OFlag::O_DIRECTORY).bits())
        .open(path)
}

fn tell(guest: &Guest, whole: bool) {
    if whole {
        guest.degraded.clear(ABOUT);
    } else {
        let sentence = "Edits on the host reach watching programs in containers only in part: the \
                        VM's kernel module for file events is missing; `cargo xtask image` makes the image anew.";
        guest.degraded.set(ABOUT, sentence);
    }
}
