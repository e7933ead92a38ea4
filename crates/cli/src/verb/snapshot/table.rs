//! Snapshots for people.

use coracle_daemon_api::Snapshot;

use crate::durations::duration;
use crate::sizes::human;

/// A line each.
pub(super) fn text(snapshots: &[Snapshot], now_s: u64) -> String {
    if snapshots.is_empty() {
        return "There is no snapshot yet: `coracle snapshot create NAME` takes one.".into();
    }
    let names = snapshots.iter().map(|one| one.name.len());
    let width = names.max().unwrap_or_default();
    let lines = snapshots.iter().map(|one| {
        let size = human(one.memory_bytes);
        match &one.error {
            Some(error) => format!("{:width$}  damaged  {error}", one.name),
            None => format!("{:width$}  {}  {size} of memory", one.name, age(one, now_s)),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What has come of a new one.
pub(super) fn taken(snapshot: &Snapshot) -> String {
    let Snapshot {
        name, memory_bytes, ..
    } = snapshot;
    let size = human(*memory_bytes);
    let pause = snapshot.pause_ms.unwrap_or_default();
    format!("The snapshot {name} is taken ({size} of memory); the VM was paused for {pause} ms.")
}

/// What a restore costs.
pub(super) fn loss(snapshot: &Snapshot, now_s: u64) -> String {
    let Snapshot { name, .. } = snapshot;
    let age = age(snapshot, now_s);
    format!(
        "This takes the VM back to the snapshot {name} ({age}). What containers, images and volumes have \
         become since is lost, unless a snapshot of now keeps it (`coracle snapshot create`). Shared folders \
         stay as they are."
    )
}

fn age(snapshot: &Snapshot, now_s: u64) -> String {
    match snapshot.taken_s {
        // The clock may have been set back.
        Some(taken_s) => format!("{} ago", duration(now_s.saturating_sub(taken_s))),
        None => "of an unknown time".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(name: &str, taken_s: Option<u64>) -> Snapshot {
        Snapshot {
            name: name.into(),
            taken_s,
            pause_ms: taken_s.map(|_| 80),
            memory_bytes: 300 << 20,
            error: taken_s.is_none().then(|| "it is damaged".into()),
        }
    }

    #[test]
    fn a_list_has_a_line_each() {
        let all = [snapshot("first", Some(100)), snapshot("x", None)];
        assert_eq!(
            text(&all, 3700),
            "first  1 h 0 min ago  300 MiB of memory\nx      damaged  it is damaged"
        );
        assert!(text(&[], 0).contains("snapshot create"));
    }

    #[test]
    fn sentences_tell_the_pause_and_the_loss() {
        let one = snapshot("first", Some(100));
        assert!(taken(&one).contains("paused for 80 ms"));
        let loss = loss(&one, 40);
        assert!(
            loss.contains("first (0 s ago)") && loss.contains("lost"),
            "{loss}"
        );
    }
}
