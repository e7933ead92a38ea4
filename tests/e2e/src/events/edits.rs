use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use super::watcher::Watcher;
use crate::suite::times;

/// In turn: in place with the same size, written anew with another size, replaced by a rename.
pub(super) fn each_edit_is_read_back_on_its_event(coracle: &Coracle) -> Result<()> {
    let edits = times(500, 10_000);
    let folder = coracle.work("edits-read-back")?;
    let file = folder.join("file");
    fs::write(&file, "edit 00000")?;
    let mut watcher = Watcher::inside(coracle, &folder, "")?;
    for number in 1..=edits {
        let text = format!("edit {number:05}");
        let (content, mask) = match number % 3 {
            0 => {
                OpenOptions::new()
                    .write(true)
                    .open(&file)?
                    .write_all_at(text.as_bytes(), 0)?;
                (text, "CLOSE_WRITE")
            }
            1 => {
                let longer = format!("{text}{}", "x".repeat(number % 20));
                fs::write(&file, &longer)?;
                (longer, "CLOSE_WRITE")
            }
            _ => {
                fs::write(folder.join(".new"), &text)?;
                fs::rename(folder.join(".new"), &file)?;
                (text, "MOVED_TO")
            }
        };
        // The event of this edit is the first of its kind, and what is read on it is this edit.
        loop {
            let seen = watcher.next()?;
            if seen.mask == mask && seen.name == "file" {
                let found = &seen.content;
                ensure!(
                    content.starts_with(found.as_str()) && found.len() >= 10,
                    "on the event of {content:?} the file held {found:?}"
                );
                break;
            }
        }
    }
    Ok(())
}
