use std::io::Read;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::crash::record::{Files, Synced, judge, line};
use crate::dice::Dice;

const SECTOR: usize = 512;

/// A log that is made by hand.
#[derive(Default)]
struct Log(Vec<u8>, u64);

impl Log {
    fn entry(&mut self, sector: u64, sectors: u64, flags: u64, data: &[u8]) {
        for word in [sector, sectors, flags, 0] {
            self.0.extend(word.to_le_bytes());
        }
        self.0.resize(self.0.len().next_multiple_of(SECTOR), 0);
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(SECTOR), 0);
        self.1 += 1;
    }

    fn write(&mut self, sector: u64, data: &[u8]) {
        let sectors = data.len().div_ceil(SECTOR) as u64;
        self.entry(sector, sectors, 0, data);
    }

    fn flush(&mut self) {
        self.entry(0, 0, FLUSH, &[]);
    }

    fn finish(self, folder: &TempDir) -> WriteLog {
        let mut bytes = Vec::new();
        for word in [MAGIC, VERSION, self.1, SECTOR as u64] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.resize(SECTOR, 0);
        bytes.extend(self.0);
        let path = folder.path().join("log");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(entries(&path).unwrap(), self.1);
        WriteLog::open(&path).unwrap()
    }
}

fn disk(sectors: usize) -> File {
    let disk = tempfile::tempfile().unwrap();
    disk.set_len((sectors * SECTOR) as u64).unwrap();
    disk
}

fn content(disk: &File) -> Vec<u8> {
    let mut bytes = vec![0; disk.metadata().unwrap().len() as usize];
    disk.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn writes_are_done_again_in_their_order_and_discards_leave_zeros() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::default();
    log.write(1, &[b'a'; 3 * SECTOR]);
    log.flush();
    log.write(2, &[b'b'; SECTOR]);
    log.entry(1, 1, DISCARD, &[]);
    log.entry(0, 1, FLUSH, &[b'c'; SECTOR]);
    log.write(3, &[0; SECTOR]);
    let log = log.finish(&folder);
    assert_eq!(log.flushes(0), [1, 4]);
    assert_eq!(log.flushes(2), [4]);
    assert_eq!(log.until_next_flush(1), 2..4);
    assert_eq!(log.until_next_flush(4), 5..6);
    let letters = |disk| -> Vec<u8> { content(disk).iter().copied().step_by(SECTOR).collect() };
    let disk = disk(5);
    log.replay(0..2, &disk).unwrap();
    assert_eq!(letters(&disk), b"\0aaa\0");
    log.replay(2..5, &disk).unwrap();
    assert_eq!(letters(&disk), b"c\0ba\0");
    log.replay(5..6, &disk).unwrap();
    assert_eq!(letters(&disk), b"c\0b\0\0");
}

#[test]
fn it_ends_before_what_qemu_did_not_come_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::default();
    log.write(1, b"written");
    log.entry(0, 0, 0, &[]);
    log.write(1, b"out of reach");
    assert_eq!(log.finish(&folder).entries.len(), 1);
}

#[test]
fn what_is_no_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    for bytes in [&[][..], &[0; 4096]] {
        std::fs::write(&path, bytes).unwrap();
        assert!(WriteLog::open(&path).is_err());
    }
}

/// A disk of records alone, which was flushed after each of them, and one to which flushes meant nothing.
#[test]
fn a_disk_that_ignores_a_flush_is_found_out() {
    const EACH: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let (mut log, mut synced) = (Log::default(), Vec::new());
    let mut dice = Dice::of(3);
    for number in 0..20 {
        let record = line(number, &mut dice);
        log.write((number * EACH) as u64, record.as_bytes());
        log.flush();
        let entries = log.1;
        synced.push(Synced {
            file: 0,
            number,
            entries,
        });
    }
    let log = log.finish(&folder);
    // Each has as much room as the longest.
    let records = |disk: &File| {
        let bytes = content(disk);
        let lines = bytes.chunks(EACH * SECTOR).map(|record| {
            let end = record.iter().position(|byte| *byte == b'\n');
            record[..end.map_or(0, |end| end + 1)].to_vec()
        });
        Files::from([("0".to_owned(), lines.collect::<Vec<_>>().concat())])
    };
    for flush in log.flushes(0) {
        let expected = |synced: &&Synced| synced.entries <= flush as u64 + 1;
        let expected: Vec<_> = synced.iter().filter(expected).copied().collect();
        let honest = disk(20 * EACH);
        log.replay(0..flush + 1, &honest).unwrap();
        judge(&records(&honest), &expected).unwrap();
        let deaf = disk(20 * EACH);
        log.replay(0..flush - 1, &deaf).unwrap();
        judge(&records(&deaf), &expected).unwrap_err();
    }
}

/// What the installed QEMU writes is what is read here.
#[test]
fn a_log_of_qemu() {
    let folder = tempfile::tempdir().unwrap();
    let (recorded, log) = (folder.path().join("disk"), folder.path().join("log"));
    File::create(&log).unwrap();
    File::create(&recorded).unwrap().set_len(1 << 20).unwrap();
    let options = format!(
        "driver=blklogwrites,file.driver=file,file.filename={},log.driver=file,log.filename={},discard=unmap",
        recorded.display(),
        log.display()
    );
    let mut command = Command::new("qemu-io");
    command.args(["--image-opts", &options]);
    for step in [
        "write -P 1 0 64k",
        "write -P 2 4k 8k",
        "flush",
        "write -z 16k 16k",
        "discard 8k 4k",
        "write -P 3 512 512",
    ] {
        command.args(["-c", step]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let log = WriteLog::open(&log).unwrap();
    assert!(!log.flushes(0).is_empty());
    let again = disk(2048);
    log.replay(0..log.entries.len(), &again).unwrap();
    let mut expected = Vec::new();
    let mut recorded = File::open(recorded).unwrap();
    recorded.read_to_end(&mut expected).unwrap();
    assert!(content(&again) == expected);
}
