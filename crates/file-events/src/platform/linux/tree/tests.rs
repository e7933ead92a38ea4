use std::fs::{self, OpenOptions};
use std::io::Write;

use super::*;
use nix::sys::inotify::InitFlags;
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    tree: Tree,
}

impl Place {
    /// Watches `a` and its siblings in a share of their own.
    fn new(ignored: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let ignored: Vec<_> = ignored.iter().map(|text| (*text).to_owned()).collect();
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
        let queue = Arc::new(Queue::default());
        let tree = Tree::new(
            inotify,
            queue,
            Arc::default(),
            Ignored::parse(&ignored).unwrap(),
        );
        let mut place = Self { folder, tree };
        place.watch("", None);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn watch(&mut self, root: &str, only: Option<&str>) {
        let root = Root {
            share: Share::of(self.folder.path()).unwrap(),
            path: self.path(root).components().collect(),
            only: only.map(|name| [name.into()].into()),
        };
        self.tree.watch(vec![root], false);
    }

    /// What came of it, a line an event.
    fn seen(&mut self) -> Vec<String> {
        self.tree.read().unwrap();
        self.tree.give_up_waiting();
        let text = |place: &coracle_guest_api::file_events::Place| {
            let path = [&place.dir[..], &place.name].join(&b'/');
            String::from_utf8(path).unwrap()
        };
        let mut lines = Vec::new();
        while let Some(taken) = self.tree.queue.take_now() {
            for event in taken.events {
                let what = match &event.kind {
                    FileEventKind::Moved(to) => format!("moved to {}:", text(to)),
                    kind => format!("{kind:?}"),
                };
                let flags = [(event.is_dir, " dir"), (event.linked, " linked")];
                let flags: String = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
                lines.push(format!("{what} {}{flags}", text(&event.at)));
            }
        }
        lines
    }
}

#[test]
fn each_operation_has_its_events() {
    let mut place = Place::new(&[]);
    let file = place.path("a/b/f");
    fs::write(&file, "text").unwrap();
    assert_eq!(
        place.seen(),
        ["Create a/b/f", "Modify a/b/f", "CloseWrite a/b/f"]
    );
    fs::hard_link(&file, place.path("a/g")).unwrap();
    assert_eq!(place.seen(), ["Create a/g linked"]);
    fs::rename(&file, place.path("a/h")).unwrap();
    assert_eq!(place.seen(), ["moved to a/h: a/b/f"]);
    fs::remove_dir(place.path("a/b")).unwrap();
    assert_eq!(place.seen(), ["Delete a/b dir"]);
    fs::remove_file(place.path("a/h")).unwrap();
    assert_eq!(place.seen(), ["Delete a/h"]);
}

#[test]
fn what_leaves_and_what_comes_are_halves() {
    let mut place = Place::new(&[]);
    place.watch("a", None);
    fs::rename(place.path("a/b"), place.path("b")).unwrap();
    assert_eq!(place.seen(), ["MovedFrom a/b dir"]);
    fs::write(place.path("b/x"), "").unwrap();
    assert_eq!(place.seen(), [""; 0]);
    fs::rename(place.path("b"), place.path("a/c")).unwrap();
    fs::write(place.path("a/c/x"), "y").unwrap();
    let seen = place.seen();
    assert_eq!(seen[0], "MovedTo a/c dir");
    fs::write(place.path("a/c/x"), "z").unwrap();
    assert!(place.seen().contains(&"CloseWrite a/c/x".to_owned()));
}

#[test]
fn a_renamed_folder_is_known_by_its_new_name() {
    let mut place = Place::new(&[]);
    fs::create_dir(place.path("a/b/c")).unwrap();
    place.seen();
    fs::rename(place.path("a/b"), place.path("n")).unwrap();
    fs::write(place.path("n/c/f"), "").unwrap();
    assert_eq!(
        place.seen(),
        ["moved to /n: a/b dir", "Create n/c/f", "CloseWrite n/c/f"]
    );
}

#[test]
fn a_folder_that_is_renamed_at_once_is_watched() {
    let mut place = Place::new(&[]);
    fs::create_dir(place.path("a/t")).unwrap();
    fs::write(place.path("a/t/f"), "text").unwrap();
    fs::rename(place.path("a/t"), place.path("a/u")).unwrap();
    assert_eq!(place.seen(), ["Create a/t dir", "moved to a/u: a/t dir"]);
    fs::write(place.path("a/u/g"), "").unwrap();
    assert_eq!(place.seen(), ["Create a/u/g", "CloseWrite a/u/g"]);
}

#[test]
fn what_was_made_before_the_watch_is_told_once() {
    let mut place = Place::new(&[]);
    fs::create_dir_all(place.path("new/deep")).unwrap();
    fs::write(place.path("new/deep/f"), "text").unwrap();
    let seen = place.seen();
    let expected = [
        "Create /new dir",
        "Create new/deep dir",
        "Create new/deep/f",
        "CloseWrite new/deep/f",
    ];
    assert_eq!(seen, expected);
    fs::remove_file(place.path("new/deep/f")).unwrap();
    fs::write(place.path("new/deep/f"), "").unwrap();
    let expected = [
        "Delete new/deep/f",
        "Create new/deep/f",
        "CloseWrite new/deep/f",
    ];
    assert_eq!(place.seen(), expected);
}

#[test]
fn what_is_ignored_is_not_told() {
    let mut place = Place::new(&["target/", "*.tmp"]);
    fs::create_dir(place.path("target")).unwrap();
    fs::write(place.path("target/x"), "").unwrap();
    fs::write(place.path("a/x.tmp"), "text").unwrap();
    assert_eq!(place.seen(), [""; 0]);
    fs::rename(place.path("a/x.tmp"), place.path("a/x")).unwrap();
    assert_eq!(place.seen(), ["MovedTo a/x"]);
}

#[test]
fn of_a_single_file_its_folder_tells() {
    let mut place = Place::new(&[]);
    place.watch("a", Some("f"));
    fs::write(place.path("a/f"), "").unwrap();
    fs::write(place.path("a/other"), "").unwrap();
    let mut file = OpenOptions::new()
        .append(true)
        .open(place.path("a/f"))
        .unwrap();
    file.write_all(b"x").unwrap();
    drop(file);
    let expected = [
        "Create a/f",
        "CloseWrite a/f",
        "Modify a/f",
        "CloseWrite a/f",
    ];
    assert_eq!(place.seen(), expected);
}

#[test]
fn the_watched_folder_tells_of_itself() {
    let mut place = Place::new(&[]);
    place.watch("a", None);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(place.path("a"), mode).unwrap();
    fs::rename(place.path("a"), place.path("z")).unwrap();
    assert_eq!(place.seen(), ["Attrib a/ dir", "MoveSelf a/ dir"]);
}
