//! Where the interpreter's functions are in the process.

use std::collections::BTreeMap;
use std::fs;

use nix::unistd::Pid;
use object::{Object, ObjectSegment, ObjectSymbol};

use super::PythonError;
use crate::proc;

const NAMES: [&str; 4] = [
    "PyGILState_Ensure",
    "PyGILState_Release",
    "PyRun_SimpleString",
    "Py_AddPendingCall",
];

/// Addresses in the process.
pub(super) struct Symbols {
    pub(super) ensure: u64,
    pub(super) release: u64,
    pub(super) run: u64,
    pub(super) add_pending: u64,
}

impl Symbols {
    pub(super) fn of(pid: Pid) -> Result<Self, PythonError> {
        let mut found = BTreeMap::new();
        let maps = fs::read_to_string(proc::path(pid, "maps")).unwrap_or_default();
        // The first mapping of a file is its beginning.
        let mut seen = Vec::new();
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (Some(range), Some(path)) = (fields.next(), fields.nth(4)) else {
                continue;
            };
            let file = path.rsplit('/').next().unwrap_or_default();
            let may_be = path.starts_with('/') && file.contains("python");
            if !may_be || seen.contains(&path) {
                continue;
            }
            seen.push(path);
            let number = |text| u64::from_str_radix(text, 16).ok();
            let Some((Some(start), Some(end))) = range
                .split_once('-')
                .map(|(start, end)| (number(start), number(end)))
            else {
                continue;
            };
            // Whatever the path means by now, this is the file that is mapped.
            let file = proc::path(pid, "map_files").join(format!("{start:x}-{end:x}"));
            let Ok(data) = fs::read(file) else {
                continue;
            };
            collect(&data, start, &mut found);
        }
        let address = |name: &'static str| {
            let address = found.get(name).copied();
            address.ok_or(PythonError::NoInterpreter(pid, name))
        };
        Ok(Self {
            ensure: address(NAMES[0])?,
            release: address(NAMES[1])?,
            run: address(NAMES[2])?,
            add_pending: address(NAMES[3])?,
        })
    }
}

fn collect(data: &[u8], start: u64, found: &mut BTreeMap<&'static str, u64>) {
    let Ok(file) = object::File::parse(data) else {
        return;
    };
    let first = file.segments().map(|segment| segment.address()).min();
    // A page at least; a program that is not relocatable has its addresses as they are.
    let base = start.wrapping_sub(first.unwrap_or_default() & !0xfff);
    for symbol in file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition())
    {
        let known = |name: &&&str| symbol.name() == Ok(**name);
        if let Some(name) = NAMES.iter().find(known) {
            found.insert(name, base.wrapping_add(symbol.address()));
        }
    }
}
