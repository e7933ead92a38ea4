use super::*;

struct Place {
    _folder: tempfile::TempDir,
    memory: SavedMemory,
    disk: PathBuf,
}

fn fit() -> Fit {
    Fit {
        hypervisor: "QEMU 10.0.2".into(),
        accelerator: "tcg".into(),
        image: "1 abc".into(),
        cpus: 2,
        memory_mib: 2048,
        disk_gib: 64,
        machine: "-smp 2".into(),
    }
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let paths = HostPaths::at(folder.path().join("h")).unwrap();
    paths.create().unwrap();
    let disk = paths.data_disk();
    fs::write(&disk, "data").unwrap();
    Place {
        memory: SavedMemory::new(&paths),
        disk,
        _folder: folder,
    }
}

/// A sparse file with two pages of data.
fn saved(place: &Place) -> Record {
    let file = File::create(place.memory.new_file().unwrap()).unwrap();
    use std::os::unix::fs::FileExt;
    file.set_len(64 << 20).unwrap();
    file.write_all_at(&[7; 4096], 8 << 20).unwrap();
    file.write_all_at(&[9; 4096], 40 << 20).unwrap();
    place.memory.commit(fit(), [3; 16], 0).unwrap();
    place.memory.read().unwrap().unwrap()
}

#[test]
fn what_is_saved_is_found_until_it_is_consumed() {
    let place = place();
    assert!(!place.memory.exists() && place.memory.read().is_none());
    let record = saved(&place);
    assert!(place.memory.exists());
    assert_eq!(record.greeting().token, [3; 16]);
    assert_eq!(record.misfit(&fit()), None);
    assert_eq!(place.memory.verify(&record), Ok(()));
    assert_eq!(place.memory.disk_misfit(&record), None);
    assert_eq!(place.memory.tidy().unwrap(), None);
    place.memory.consume().unwrap();
    assert!(!place.memory.exists());
    // As a daemon that was killed right then leaves it.
    assert!(place.memory.tidy().unwrap().is_some());
    assert!(!place.memory.file().exists());
    place.memory.delete().unwrap();
}

#[test]
fn damage_is_seen() {
    use std::os::unix::fs::FileExt;
    let place = place();
    let record = saved(&place);
    let file = OpenOptions::new()
        .write(true)
        .open(place.memory.file())
        .unwrap();
    file.write_all_at(&[8], 40 << 20).unwrap();
    assert!(
        place
            .memory
            .verify(&record)
            .unwrap_err()
            .contains("damaged")
    );
    file.write_all_at(&[9], 40 << 20).unwrap();
    assert_eq!(place.memory.verify(&record), Ok(()));
    // The same bytes elsewhere.
    file.write_all_at(&[9], 20 << 20).unwrap();
    assert!(place.memory.verify(&record).is_err());
    file.set_len(1 << 20).unwrap();
    let why = place.memory.verify(&record).unwrap_err();
    assert!(why.contains("1048576 bytes instead of"), "{why}");
    place.memory.set_aside().unwrap();
    assert!(!place.memory.exists() && !place.memory.file().exists());

    saved(&place);
    fs::write(place.memory.folder.join("memory.json"), "{").unwrap();
    let why = place.memory.read().unwrap().unwrap_err();
    assert!(why.contains("damaged"), "{why}");
}

#[test]
fn a_newer_or_another_disk_does_not_fit() {
    let place = place();
    let record = saved(&place);
    // The file system's clock may be as coarse as some milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(20));
    OpenOptions::new()
        .append(true)
        .open(&place.disk)
        .unwrap()
        .write_all(b"more")
        .unwrap();
    assert!(place.memory.disk_misfit(&record).is_some());
    fs::remove_file(&place.disk).unwrap();
    assert!(place.memory.disk_misfit(&record).is_some());
}

#[test]
fn another_machine_is_named() {
    let place = place();
    let record = saved(&place);
    let misfit = |change: &dyn Fn(&mut Fit)| {
        let mut other = fit();
        change(&mut other);
        record.misfit(&other).unwrap()
    };
    let why = misfit(&|fit| fit.hypervisor = "QEMU 10.1.0".into());
    assert!(
        why.contains("QEMU 10.1.0 now") && why.contains("QEMU 10.0.2"),
        "{why}"
    );
    assert!(misfit(&|fit| fit.memory_mib = 4096).contains("4096"));
    assert!(misfit(&|fit| fit.cpus = 1).contains("CPUs"));
    assert!(misfit(&|fit| fit.image = "2".into()).contains("image"));
    assert!(misfit(&|fit| fit.accelerator = "kvm".into()).contains("kvm"));
    assert!(misfit(&|fit| fit.disk_gib = 65).contains("grow"));
    assert!(misfit(&|fit| fit.machine.clear()).contains("shape"));
}

#[test]
fn without_room_it_is_refused_with_the_remedy() {
    let place = place();
    place.memory.check_room(4096).unwrap();
    let error = place.memory.check_room(1 << 60).unwrap_err();
    assert_eq!(error.code, coracle_daemon_api::ErrorCode::Host);
    assert!(error.message.contains("--shutdown"), "{error}");
}

#[test]
fn half_a_suspension_is_tidied_up() {
    let place = place();
    fs::write(place.memory.new_file().unwrap(), "half").unwrap();
    assert!(place.memory.tidy().unwrap().is_some());
    assert_eq!(place.memory.tidy().unwrap(), None);
}

#[test]
fn what_the_driver_checks_is_not_read_again() {
    let place = place();
    let path = place.memory.new_file().unwrap();
    fs::write(&path, [7; 3 * 4096]).unwrap();
    place.memory.commit(fit(), [3; 16], 2 * 4096).unwrap();
    let record = place.memory.read().unwrap().unwrap();
    let damage = |at: usize| {
        let mut bytes = fs::read(place.memory.file()).unwrap();
        bytes[at] = !bytes[at];
        fs::write(place.memory.file(), bytes).unwrap();
    };
    damage(4096);
    assert_eq!(place.memory.verify(&record), Ok(()));
    damage(2 * 4096);
    assert!(place.memory.verify(&record).is_err());
}
