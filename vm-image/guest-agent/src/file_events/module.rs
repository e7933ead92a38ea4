//! Messages to the kernel module; `vm-image/events-module/coracle_events.h` gives their layout.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use coracle_guest_api::file_events::{FileEvent, encode_records};

const DEVICE: &str = "/dev/coracle-events";
const MOST_UNUSED: &str = "/sys/module/coracle_events/parameters/most_unused";
const MAGIC: u32 = 0x3156_4543;
const HEADER: usize = 16;

/// Whether a failure is that there is no module.
pub(super) enum ModuleMissing {
    Yes,
    No(io::Error),
}

pub(super) fn is_loaded() -> bool {
    Path::new(DEVICE).exists()
}

pub(super) fn remember_at_most(names: u64) -> io::Result<()> {
    std::fs::write(MOST_UNUSED, names.to_string())
}

/// Has the module raise the events in the share whose root this is. Those that it raised nothing for, since
/// the guest had caused them itself, are the bits that are set: one for each event, the lowest first.
pub(super) fn write(root: &File, events: &[FileEvent]) -> Result<Vec<u8>, ModuleMissing> {
    // Opened each time: the module may come and go.
    let mut device = match File::options().read(true).write(true).open(DEVICE) {
        Ok(device) => device,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ModuleMissing::Yes),
        Err(error) => return Err(ModuleMissing::No(error)),
    };
    let records = encode_records(events);
    let numbers = [
        MAGIC,
        root.as_raw_fd() as u32,
        events.len() as u32,
        (HEADER + records.len()) as u32,
    ];
    let mut message: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    message.extend(records);
    // One write is one message; the module takes it whole or refuses it.
    match device.write(&message) {
        Ok(taken) if taken == message.len() => {}
        Ok(_) => return Err(ModuleMissing::No(io::ErrorKind::WriteZero.into())),
        Err(error) => return Err(ModuleMissing::No(error)),
    }
    let mut echoes = vec![0; events.len().div_ceil(8)];
    device
        .read_exact(&mut echoes)
        .map_err(ModuleMissing::No)
        .map(|()| echoes)
}
