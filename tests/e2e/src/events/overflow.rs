use std::fs;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::watcher::{INSIDE, Watcher};

const FILES: usize = 20_000;
const FOLDERS: usize = 200;

pub(super) fn a_checkout_of_20000_files_ends_in_the_last_state(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("checkout")?;
    fs::create_dir(folder.join("before"))?;
    fs::write(folder.join("before/file"), "old")?;
    let mut watcher = Watcher::inside(coracle, &folder, "")?;
    let id = coracle.docker(["ps", "--quiet", "--latest"]).text()?;
    let inside = |script: &str| {
        coracle
            .docker(["exec", "--workdir", INSIDE, &id, "sh", "-c", script])
            .text()
    };
    ensure!(inside("cat before/file")? == "old", "not what was written");
    for number in 0..FILES {
        let place = folder.join(format!("folder-{}", number % FOLDERS));
        if number < FOLDERS {
            fs::create_dir(&place)?;
        }
        fs::write(place.join(format!("file-{number}")), "two")?;
    }
    fs::write(folder.join("before/file"), "new")?;
    // Told one by one, or that there was too much to tell.
    let mut told = 0;
    let lost = loop {
        let seen = watcher.next()?;
        told += 1;
        if seen.mask.contains("Q_OVERFLOW") {
            break true;
        }
        if seen.watched == "before" && seen.mask == "CLOSE_WRITE" {
            break false;
        }
    };
    ensure!(lost, "{told} events came of {FILES} files, and no overflow");
    eventually("the last state in the container", || {
        let script =
            "cat before/file folder-0/file-0 folder-199/file-19999; find . -type f | wc -l";
        let found = inside(script)?;
        let wanted = format!("newtwotwo{}", FILES + 1);
        ensure!(found == wanted, "it is {found:?} and not {wanted:?}");
        Ok(())
    })?;
    // And it goes on: an edit in a folder that was made meanwhile.
    // Each watch keeps its file open on the host, which may not allow one for every file.
    let mut later = Watcher::inside(coracle, &folder.join("folder-7"), "")?;
    fs::write(folder.join("folder-7/file-7"), "three")?;
    loop {
        let seen = later.next()?;
        if seen.mask == "CLOSE_WRITE" && seen.name == "file-7" {
            ensure!(seen.content == "three", "it held {:?}", seen.content);
            return Ok(());
        }
    }
}
