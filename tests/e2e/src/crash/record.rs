//! Records of which each is synced before the next is written.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::dice::Dice;

/// Long enough that some cross a border of blocks.
const LONGEST: usize = 3000;

/// What files of records hold, by their names.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A record whose sync was over when this was noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Synced {
    /// The name of its file.
    pub(super) file: usize,
    /// Its place in the file, from 0 on.
    pub(super) number: usize,
    /// How many entries the log of the disk's writes had then, if there is one: those of its sync among them.
    pub(super) entries: u64,
}

/// A record as a line: number, payload, checksum.
pub(super) fn line(number: usize, dice: &mut Dice) -> String {
    let length = 1 + dice.below(LONGEST);
    let content = format!("{number} {}", dice.letters(length));
    let checksum = crc32fast::hash(content.as_bytes());
    format!("{content} {checksum:08x}\n")
}

/// Fails unless every synced record is there, and none but the last of a file is torn.
pub(super) fn judge<'a>(files: &Files, synced: impl IntoIterator<Item = &'a Synced>) -> Result<()> {
    let mut whole = BTreeMap::new();
    for (name, bytes) in files {
        let count = count(bytes).with_context(|| format!("file {name} of records"))?;
        whole.insert(name.as_str(), count);
    }
    for Synced { file, number, .. } in synced {
        let there = whole
            .get(file.to_string().as_str())
            .copied()
            .unwrap_or_default();
        ensure!(
            *number < there,
            "record {number} of file {file} was synced, and the file has {there}"
        );
    }
    Ok(())
}

/// How many whole records there are before the end, or a torn one at the end.
fn count(bytes: &[u8]) -> Result<usize> {
    let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    // What follows the last newline: nothing, or a torn record.
    let torn = lines.pop().is_some_and(|rest| !rest.is_empty());
    let count = lines
        .iter()
        .enumerate()
        .take_while(|(number, line)| is_whole(line, *number))
        .count();
    let rest = lines.len() - count + usize::from(torn);
    ensure!(
        rest <= 1,
        "record {count} is torn or not {count}, and {} come after it",
        rest - 1
    );
    Ok(count)
}

fn is_whole(line: &[u8], number: usize) -> bool {
    let Some((content, checksum)) = std::str::from_utf8(line)
        .ok()
        .and_then(|text| text.rsplit_once(' '))
    else {
        return false;
    };
    content.split(' ').next() == Some(&number.to_string())
        && checksum == format!("{:08x}", crc32fast::hash(content.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(records: usize, torn: &[u8]) -> Files {
        let mut dice = Dice::of(1);
        let text: String = (0..records).map(|number| line(number, &mut dice)).collect();
        Files::from([("7".to_owned(), [text.as_bytes(), torn].concat())])
    }

    fn synced(records: usize) -> Vec<Synced> {
        let of = |number| Synced {
            file: 7,
            number,
            entries: 0,
        };
        (0..records).map(of).collect()
    }

    #[test]
    fn what_was_not_synced_may_be_there_torn_or_missing() {
        for torn in [&b""[..], b"3", b"3 abc 00000000\n", &[0; 500]] {
            judge(&file(3, torn), &synced(3)).unwrap();
            judge(&file(3, torn), &synced(2)).unwrap();
        }
        judge(&Files::new(), &[]).unwrap();
    }

    #[test]
    fn a_synced_record_that_is_missing_or_torn_is_found() {
        for torn in [&b""[..], b"3", b"3 abc 00000000\n", &[0; 500]] {
            judge(&file(3, torn), &synced(4)).unwrap_err();
        }
        judge(&Files::new(), &synced(1)).unwrap_err();
    }

    #[test]
    fn a_torn_record_before_the_last_is_found() {
        judge(&file(3, b"3 abc 00000000\n4"), &synced(3)).unwrap_err();
        let mut files = file(3, b"");
        files.get_mut("7").unwrap()[3] ^= 1;
        judge(&files, &[]).unwrap_err();
    }
}
