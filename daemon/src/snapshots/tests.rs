use super::*;
use crate::memory::{self, Fit, Greeting};

struct Place {
    folder: tempfile::TempDir,
    snapshots: Snapshots,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let paths = HostPaths::at(folder.path().join("h")).unwrap();
    paths.create().unwrap();
    fs::write(folder.path().join("disk"), "disk").unwrap();
    fs::write(folder.path().join("config"), "config").unwrap();
    Place {
        snapshots: Snapshots::new(&paths),
        folder,
    }
}

impl Place {
    fn part(&self, name: &str) -> (Part, Entry) {
        let part = self.snapshots.begin(name, 1).unwrap();
        fs::write(part.memory(), "memory").unwrap();
        part.keep_config(&self.folder.path().join("config"))
            .unwrap();
        let fit = Fit {
            hypervisor: "h".into(),
            accelerator: "a".into(),
            image: "i".into(),
            cpus: 1,
            memory_mib: 1,
            disk_gib: 1,
            machine: "m".into(),
        };
        let greeting = Greeting {
            token: [1; 16],
            recall: true,
        };
        let disk = self.folder.path().join("disk");
        let record = memory::sealed(&part.memory(), &disk, fit, greeting, 0).unwrap();
        let taken_s = 10 - self.snapshots.list().unwrap().len() as u64;
        (part, Entry::new(taken_s, 5, format!("tag-{name}"), record))
    }

    fn take(&self, name: &str) {
        let (part, entry) = self.part(name);
        part.commit(&entry).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let all = self.snapshots.list().unwrap();
        all.into_iter().map(|found| found.name).collect()
    }
}

#[test]
fn the_list_is_read_again_after_each_change() {
    let place = place();
    let mut listed = Listed::default();
    let mut names = || {
        let list = listed.now(&place.snapshots.clone());
        list.into_iter().map(|found| found.name).collect::<Vec<_>>()
    };
    assert!(names().is_empty());
    place.take("a");
    place.take("b");
    assert_eq!(names(), ["b", "a"]);
    place.snapshots.delete("a").unwrap();
    assert_eq!(names(), ["b"]);
    place.snapshots.clear().unwrap();
    assert!(names().is_empty());
}

#[test]
fn a_list_that_cannot_be_read_stays_as_it_was() {
    let place = place();
    let mut listed = Listed::default();
    place.take("a");
    assert_eq!(listed.now(&place.snapshots).len(), 1);
    place.take("b");
    let (folder, away) = (&place.snapshots.folder, place.folder.path().join("away"));
    fs::rename(folder, &away).unwrap();
    assert_eq!(listed.now(&place.snapshots).len(), 1);
    fs::rename(&away, folder).unwrap();
    assert_eq!(listed.now(&place.snapshots).len(), 2);
}

#[test]
fn what_is_taken_is_listed_read_and_deleted() {
    let place = place();
    place.take("b");
    place.take("a");
    assert_eq!(place.names(), ["a", "b"], "by their time");
    let all = place.snapshots.list().unwrap();
    assert_eq!((all[0].taken_s, all[0].pause_ms), (Some(9), Some(5)));
    let entry = place.snapshots.read("b").unwrap();
    assert!(entry.record.greeting().recall);
    memory::verify(&place.snapshots.memory("b"), &entry.record).unwrap();
    assert_eq!(fs::read(place.snapshots.config("b")).unwrap(), b"config");
    let tags = place.snapshots.tags().unwrap();
    assert_eq!(tags, Tags::from(["tag-a".into(), "tag-b".into()]));
    place.snapshots.delete("a").unwrap();
    assert_eq!(place.names(), ["b"]);
    let error = place.snapshots.delete("a").unwrap_err();
    assert_eq!(error.code, ErrorCode::Missing);
    place.snapshots.clear().unwrap();
    assert!(place.names().is_empty());
}

#[test]
fn half_a_snapshot_does_not_count() {
    let place = place();
    let (part, _) = place.part("a");
    assert!(place.names().is_empty());
    let left = part.folder.clone();
    // As a daemon that was killed leaves it.
    std::mem::forget(part);
    place.snapshots.tidy();
    assert!(!left.exists());
    drop(place.part("a"));
    assert!(!left.exists());
}

#[test]
fn names_and_room_are_checked() {
    let place = place();
    place.take("a");
    let code = |name: &str, bytes| place.snapshots.begin(name, bytes).unwrap_err().code;
    assert_eq!(code("a", 1), ErrorCode::WrongState);
    assert_eq!(code("b", 1 << 60), ErrorCode::Host);
    let long = "x".repeat(65);
    for name in ["", ".part", "a/b", "../a", "-x", "a b", "ä", &long] {
        assert_eq!(code(name, 1), ErrorCode::InvalidInput, "{name:?}");
        assert_eq!(
            place.snapshots.read(name).unwrap_err().code,
            ErrorCode::InvalidInput
        );
        assert!(place.snapshots.delete(name).is_err());
    }
}

#[test]
fn a_damaged_one_is_told_of_and_can_be_deleted() {
    let place = place();
    place.take("good");
    place.take("bad");
    fs::write(place.snapshots.folder.join("bad").join(ENTRY), "{").unwrap();
    let all = place.snapshots.list().unwrap();
    assert_eq!(all[1].name, "bad");
    let said = all[1].error.as_deref().unwrap();
    assert!(said.contains("damaged") && said.contains("snapshot delete bad"));
    // What it has in the disk is not known: nothing may be taken for left over.
    assert!(place.snapshots.tags().is_err());
    assert!(place.snapshots.intend("bad").is_err());
    place.snapshots.delete("bad").unwrap();
    place.snapshots.tags().unwrap();
}

#[test]
fn a_restore_is_intended_until_it_is_settled() {
    let place = place();
    place.take("a");
    assert!(place.snapshots.intend("b").is_err());
    assert_eq!(place.snapshots.pending(), None);
    place.snapshots.intend("a").unwrap();
    assert_eq!(place.snapshots.pending().as_deref(), Some("a"));
    let error = place.snapshots.delete("a").unwrap_err();
    assert!(error.message.contains("being restored"), "{error}");
    place.snapshots.settle().unwrap();
    place.snapshots.settle().unwrap();
    assert_eq!(place.snapshots.pending(), None);
    place.snapshots.delete("a").unwrap();
}
