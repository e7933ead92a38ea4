use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use coracle_guest_api::file_events::{FileEvent, FileEventKind, Outcome, Place};

use crate::queue::Taken;

/// Changes of files that containers have been told of.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    /// They grow.
    pub(crate) number: u64,
    /// Which, on the host, each once in the order of their last changes; of a folder that was renamed or deleted
    /// its own path alone. Without those that a container has changed itself.
    pub(crate) paths: Vec<PathBuf>,
    /// So much came that not every path is known: any below `paths` may have changed.
    pub(crate) overflow: bool,
    /// Whether more of the same save is still to come: so far something was written or created, and nothing
    /// closed, renamed or deleted.
    pub(crate) unfinished: bool,
    /// When the host's watcher saw the first.
    pub(crate) seen: Instant,
    /// From then until the guest had raised the last event.
    pub(crate) after: Duration,
}

impl Saved {
    pub(crate) fn of(number: u64, taken: Taken, outcome: &Outcome) -> Self {
        let root = &taken.share.host;
        let mut paths = Vec::new();
        let (mut overflow, mut unfinished) = (false, true);
        for (number, event) in taken.events.iter().enumerate() {
            if outcome.is_echo(number) {
                continue;
            }
            overflow |= event.kind == FileEventKind::Overflow;
            unfinished &= is_beginning(event);
            for path in changed(event) {
                let path = path.map_or_else(|| root.clone(), |place| below(root, place));
                paths.retain(|known| *known != path);
                paths.push(path);
            }
        }
        Self {
            number,
            paths,
            overflow,
            unfinished,
            seen: taken.seen,
            after: taken.seen.elapsed(),
        }
    }
}

/// Whether another event follows when the file is closed.
fn is_beginning(event: &FileEvent) -> bool {
    match event.kind {
        FileEventKind::Create => !event.is_dir && !event.linked,
        FileEventKind::Modify => true,
        _ => false,
    }
}

/// The places that the event changed; `None` is the share's root.
fn changed(event: &FileEvent) -> impl Iterator<Item = Option<&Place>> {
    let to = match &event.kind {
        FileEventKind::Moved(to) => Some(Some(to)),
        _ => None,
    };
    let at = match event.kind {
        FileEventKind::Overflow => Some(None),
        // The folder that holds it tells of it too.
        FileEventKind::DeleteSelf | FileEventKind::MoveSelf => None,
        _ => Some(Some(&event.at)),
    };
    at.into_iter().chain(to)
}

fn below(root: &Path, place: &Place) -> PathBuf {
    let parts = [&place.dir, &place.name];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.fold(root.to_owned(), |path, part| {
        path.join(OsStr::from_bytes(part))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::roots::Share;

    fn taken(events: Vec<FileEvent>) -> Taken {
        let share = Arc::new(Share {
            guest: "/guest".into(),
            host: "/host".into(),
        });
        Taken {
            share,
            events,
            seen: Instant::now(),
        }
    }

    fn event(kind: FileEventKind, name: &str) -> FileEvent {
        let place = Place {
            dir: b"src".into(),
            name: name.into(),
        };
        FileEvent::new(kind, place)
    }

    #[test]
    fn a_save_is_each_path_once_without_echoes() {
        use FileEventKind::{CloseWrite, DeleteSelf, Modify, Moved};
        let to = Place {
            dir: Vec::new(),
            name: b"new.py".into(),
        };
        let events = vec![
            event(Modify, "a.py"),
            event(Modify, "log"),
            event(Moved(to), "b.py"),
            event(CloseWrite, "a.py"),
            event(DeleteSelf, ""),
        ];
        let echoes = Outcome::Whole { echoes: vec![0b10] };
        let saved = Saved::of(1, taken(events), &echoes);
        let expected = ["/host/src/b.py", "/host/new.py", "/host/src/a.py"];
        assert_eq!(saved.paths, expected.map(PathBuf::from));
        assert!(!saved.overflow && !saved.unfinished);
        for (kind, unfinished) in [(Modify, true), (CloseWrite, false)] {
            let events = vec![event(Modify, "a.py"), event(kind, "a.py")];
            let saved = Saved::of(1, taken(events), &Outcome::InPart);
            assert_eq!(saved.unfinished, unfinished);
        }
    }

    #[test]
    fn an_overflow_is_the_whole_share() {
        let overflow = FileEvent::new(FileEventKind::Overflow, Place::default());
        let saved = Saved::of(1, taken(vec![overflow]), &Outcome::InPart);
        assert!(saved.overflow);
        assert_eq!(saved.paths, [PathBuf::from("/host")]);
    }
}
