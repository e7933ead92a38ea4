use std::path::PathBuf;

use super::*;

const SIZE: u64 = 64 << 20;

fn disk() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    File::create(&path).unwrap().set_len(SIZE).unwrap();
    (folder, path)
}

fn write(path: &Path, at: u64, bytes: &[u8]) {
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(bytes, at)
        .unwrap();
}

/// The superblock's fields as mke2fs writes them.
fn write_ext4(path: &Path, label: &str, blocks: u32) {
    write(path, MAGIC as u64, &[0x53, 0xef]);
    write(path, LOG_BLOCK_SIZE as u64, &2u32.to_le_bytes());
    write(path, BLOCKS_LOW as u64, &blocks.to_le_bytes());
    write(path, VOLUME_NAME as u64, label.as_bytes());
}

#[test]
fn only_zeros_at_both_ends_are_blank() {
    let (_folder, path) = disk();
    assert_eq!(examine(&path).unwrap(), Content::Blank);
    for at in [
        0,
        510,
        32_769,
        EXAMINED - 1,
        SIZE - EXAMINED,
        SIZE - 4096,
        SIZE - 1,
    ] {
        let (_folder, path) = disk();
        write(&path, at, &[1]);
        assert!(
            matches!(examine(&path).unwrap(), Content::Foreign(_)),
            "{at}"
        );
    }
}

#[test]
fn our_file_system_is_known_by_its_label_and_never_taken_for_anything_else() {
    let (_folder, path) = disk();
    mark_started(&path).unwrap();
    write_ext4(&path, LABEL, 1000);
    let ours = Content::Ours {
        bytes: 4_096_000,
        disk_bytes: SIZE,
    };
    // Even with a mark: what a container wrote into its files must not cost the disk.
    assert_eq!(examine(&path).unwrap(), ours);
    mark_finished(&path).unwrap();
    assert_eq!(examine(&path).unwrap(), ours);

    let (_folder, path) = disk();
    write_ext4(&path, "photos", 1000);
    let Content::Foreign(what) = examine(&path).unwrap() else {
        panic!("taken for ours or blank");
    };
    assert!(what.contains("photos"));
}

#[test]
fn a_format_that_was_cut_short_is_begun_again() {
    let (_folder, path) = disk();
    mark_started(&path).unwrap();
    assert_eq!(examine(&path).unwrap(), Content::Interrupted);
    write(&path, 8192, b"group descriptors");
    assert_eq!(examine(&path).unwrap(), Content::Interrupted);
    mark_finished(&path).unwrap();
    assert!(matches!(examine(&path).unwrap(), Content::Foreign(_)));
}

#[test]
fn what_the_file_system_wrote_over_the_mark_stays() {
    let (_folder, path) = disk();
    mark_started(&path).unwrap();
    write(&path, SIZE - MARK_FROM_END, b"an inode table");
    mark_finished(&path).unwrap();
    let mut found = [0; 14];
    File::open(&path)
        .unwrap()
        .read_exact_at(&mut found, SIZE - MARK_FROM_END)
        .unwrap();
    assert_eq!(&found, b"an inode table");
}

#[test]
fn tiny_disks_are_judged_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::write(&path, [0; 512]).unwrap();
    assert_eq!(examine(&path).unwrap(), Content::Blank);
    std::fs::write(&path, [1; 512]).unwrap();
    assert!(matches!(examine(&path).unwrap(), Content::Foreign(_)));
}
