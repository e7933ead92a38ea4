use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use super::operations::{OPERATIONS, Place};
use super::watcher::{INSIDE, Seen, Watcher};

/// What a native watcher sees of each operation.
pub(super) fn expected() -> Result<Vec<Vec<Seen>>> {
    let folder = tempfile::tempdir()?;
    let places = places(
        &folder.path().join("watched"),
        &folder.path().join("outside"),
    )?;
    let mut native = [Watcher::native(&folder.path().join("watched"))?];
    let mut seen = Vec::new();
    for number in 0..OPERATIONS.len() {
        let [events] = perform(&folder.path().join("watched"), &places, number, &mut native)?;
        seen.push(events);
    }
    Ok(seen)
}

fn places(watched: &Path, outside: &Path) -> Result<Vec<Place>> {
    fs::create_dir_all(watched.join("sync"))?;
    let place = |number: usize| {
        let name = format!("{number:02}");
        Place::make(watched.join(&name), outside.join(&name))
    };
    (0..OPERATIONS.len()).map(place).collect()
}

/// Runs an operation; each watcher's events, as if its place were the watched folder.
fn perform<const N: usize>(
    watched: &Path,
    places: &[Place],
    number: usize,
    watchers: &mut [Watcher; N],
) -> Result<[Vec<Seen>; N]> {
    (OPERATIONS[number].run)(&places[number])?;
    let end = format!("end-{number}");
    fs::create_dir(watched.join("sync").join(&end))?;
    let prefix = format!("{number:02}");
    let mut all = [const { Vec::new() }; N];
    for (watcher, seen) in watchers.iter_mut().zip(&mut all) {
        *seen = watcher.until(&end)?;
        for event in seen {
            let rest = event
                .watched
                .strip_prefix(&prefix)
                .unwrap_or(&event.watched);
            event.watched = rest.trim_start_matches('/').to_owned();
            // What a reader finds depends on when it reads; other tests are about that.
            event.content.clear();
        }
    }
    Ok(all)
}

pub(super) fn containers_see_what_a_native_watcher_sees(coracle: &Coracle) -> Result<()> {
    let expected = expected()?;
    let folder = coracle.work("conformance")?;
    let watched = folder.join("watched");
    let places = places(&watched, &folder.join("outside"))?;
    let mut watchers = [
        Watcher::inside(coracle, &watched, "")?,
        Watcher::inside(coracle, &watched, ":ro")?,
    ];
    let mut wrong = String::new();
    for (number, expected) in expected.iter().enumerate() {
        let seen = perform(&watched, &places, number, &mut watchers)?;
        for (seen, mount) in seen.iter().zip(["", " (read-only)"]) {
            if seen != expected {
                let name = OPERATIONS[number].name;
                wrong.push_str(&format!("{name}{mount}:\n{}", difference(expected, seen)));
            }
        }
    }
    ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}

/// Both sequences, from where they part.
fn difference(expected: &[Seen], seen: &[Seen]) -> String {
    let same = expected
        .iter()
        .zip(seen)
        .take_while(|(a, b)| a == b)
        .count();
    let list = |events: &[Seen]| {
        let lines = events[same..].iter().take(12);
        lines
            .map(|event| format!("    {event}\n"))
            .collect::<String>()
    };
    format!(
        "  native, after {same}:\n{}  here:\n{}",
        list(expected),
        list(seen)
    )
}

pub(super) fn a_single_file_that_is_mounted_tells_of_itself(coracle: &Coracle) -> Result<()> {
    let file = coracle.work("single-file-events")?.join("settings");
    fs::write(&file, "one\n")?;
    let mut watcher = Watcher::with(coracle, &[], &format!("{}:{INSIDE}", file.display()))?;
    // Nothing else is watched, so nothing else may be waited for.
    for text in ["two\n", "three\n"] {
        fs::write(&file, text)?;
        loop {
            let line = watcher.next()?;
            if line.mask == "CLOSE_WRITE" {
                ensure!(line.content == text.trim(), "it holds {:?}", line.content);
                break;
            }
            ensure!(line.mask == "MODIFY", "it was {line}");
        }
    }
    Ok(())
}
