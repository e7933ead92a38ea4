use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Program};

use super::watcher::{INSIDE, Watcher};
use crate::suite;

/// Waited for what must not come: longer than any event takes.
const QUIET: Duration = Duration::from_secs(2);

const SCRIPT: &str = "
    echo one >a; echo two >>a; chmod 600 a; mv a b; cp b c; mv c b; ln -s b link
    mkdir d; echo three >d/x; mv d e; rm -r e; rm b link; echo last >last";

/// The container's own events are those that the same script causes natively, and no more.
pub(super) fn what_a_container_does_is_not_played_back(coracle: &Coracle) -> Result<()> {
    let native = tempfile::tempdir()?;
    let mut watcher = Watcher::native(native.path())?;
    Program::new("sh")
        .args(["-c", SCRIPT])
        .dir(native.path())
        .ok()?;
    fs::create_dir(native.path().join("end"))?;
    let expected = watcher.until("end")?;

    let folder = coracle.work("echo")?;
    let mut watcher = Watcher::inside(coracle, &folder, "")?;
    let id = coracle.docker(["ps", "--quiet", "--latest"]).text()?;
    let script = format!("cd {INSIDE} && {SCRIPT}");
    for round in 0..suite::times(2, 50) {
        coracle.docker(["exec", &id, "sh", "-c", &script]).ok()?;
        std::thread::sleep(QUIET);
        let [end, next] = ["end", "next"].map(|name| format!("{name}-{round}"));
        fs::create_dir(folder.join(&end))?;
        let mut seen = watcher.until(&end)?;
        for event in &mut seen {
            event.content.clear();
        }
        let texts = |events: &[super::watcher::Seen]| -> Vec<String> {
            events.iter().map(ToString::to_string).collect()
        };
        ensure!(
            texts(&seen) == texts(&expected),
            "round {round}, native:\n{}\nin the container:\n{}",
            texts(&expected).join("\n"),
            texts(&seen).join("\n")
        );
        // The same again, from the same beginning.
        fs::remove_file(folder.join("last"))?;
        fs::create_dir(folder.join(&next))?;
        watcher.until(&next)?;
    }
    Ok(())
}

/// Each file is new, and its events come back one by one while the container makes it and after it has closed it.
pub(super) fn what_a_container_creates_is_not_played_back(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("creates")?;
    let mut watcher = Watcher::inside(coracle, &folder, "")?;
    let id = coracle.docker(["ps", "--quiet", "--latest"]).text()?;
    let files = suite::times(150, 5000);
    let script =
        format!("cd {INSIDE} && for i in $(seq {files}); do echo $i >file-$i; sleep 0.05; done");
    coracle.docker(["exec", &id, "sh", "-c", &script]).ok()?;
    std::thread::sleep(QUIET);
    fs::create_dir(folder.join("end"))?;
    let seen = watcher.until("end")?;
    let own: Vec<_> = seen.iter().filter(|seen| !seen.name.is_empty()).collect();
    for mask in ["CREATE", "MODIFY", "CLOSE_WRITE"] {
        let mut told: HashMap<&str, usize> = HashMap::new();
        for event in own.iter().filter(|seen| seen.mask == mask) {
            *told.entry(&event.name).or_default() += 1;
        }
        let twice: Vec<_> = told.iter().filter(|(_, times)| **times > 1).collect();
        ensure!(
            told.len() == files && twice.is_empty(),
            "{mask} of {} of {files} files, more than once of {twice:?}",
            told.len()
        );
    }
    Ok(())
}

/// Delivering an event changes nothing on the host.
pub(super) fn an_edit_keeps_its_times_and_owner(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("untouched")?;
    let file = folder.join("file");
    let mut watcher = Watcher::inside(coracle, &folder, "")?;
    fs::write(&file, "text")?;
    let facts = || -> Result<_> {
        let found = fs::metadata(&file)?;
        let times = (
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec(),
        );
        Ok((times, found.uid(), found.gid(), found.mode()))
    };
    let before = facts()?;
    fs::create_dir(folder.join("end"))?;
    watcher.until("end")?;
    std::thread::sleep(QUIET);
    ensure!(
        before == facts()?,
        "it was {before:?}, and is {:?}",
        facts()?
    );
    Ok(())
}

/// An echo is dropped, and not what a person does right after it, also where others want the processors.
pub(super) fn an_edit_after_a_containers_own_is_told(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("both-edit")?;
    fs::write(folder.join("file"), "start")?;
    let mut watcher = Watcher::inside(coracle, &folder, "")?;
    let id = coracle.docker(["ps", "--quiet", "--latest"]).text()?;
    for _ in 0..2 {
        let busy = ["exec", "--detach", &id, "sh", "-c", "while :; do :; done"];
        coracle.docker(busy).ok()?;
    }
    for number in 0..suite::times(5, 200) {
        // As a program writes, and as an editor saves.
        let script = match number % 2 {
            0 => format!("echo container {number} >{INSIDE}/file"),
            _ => format!("cd {INSIDE} && echo container {number} >new && mv new file"),
        };
        coracle.docker(["exec", &id, "sh", "-c", &script]).ok()?;
        std::thread::sleep(Duration::from_millis(200));
        let end = format!("end-{number}");
        fs::create_dir(folder.join(&end))?;
        let own = watcher.until(&end)?;
        let closes = own
            .iter()
            .filter(|seen| seen.mask == "CLOSE_WRITE" && seen.watched.is_empty());
        ensure!(closes.count() == 1, "the container's own edit: {own:?}");
        fs::write(folder.join("file"), format!("host {number}"))?;
        loop {
            let seen = watcher.next()?;
            if seen.mask == "CLOSE_WRITE" {
                let wanted = format!("host {number}");
                ensure!(seen.content == wanted, "{wanted:?} is {:?}", seen.content);
                break;
            }
        }
        let end = format!("host-end-{number}");
        fs::create_dir(folder.join(&end))?;
        watcher.until(&end)?;
    }
    Ok(())
}
