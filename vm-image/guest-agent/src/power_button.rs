//! The ACPI power button, by which a VM driver can ask for the end without the transport.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::transport::FdStream;

/// Size of the kernel's `struct input_event` on 64-bit systems, and its fields behind the time.
const EVENT: usize = 24;
const KIND: usize = 16;
const CODE: usize = 18;
const VALUE: usize = 20;

const APPEARS_WITHIN_SECONDS: u32 = 60;

const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;

/// Returns when the button is pressed; never, where there is none.
pub(crate) async fn pressed() {
    if let Err(error) = watch().await {
        tracing::info!("the power button is not watched: {error}");
        std::future::pending().await
    }
}

async fn watch() -> io::Result<()> {
    let path = appears().await.ok_or(io::ErrorKind::NotFound)?;
    let device = fs::File::open(path)?;
    let mut events = FdStream::new(OwnedFd::from(device))?;
    let mut event = [0; EVENT];
    loop {
        events.read_exact(&mut event).await?;
        if is_press(&event) {
            return Ok(());
        }
    }
}

/// Waits for the button's modules to have been loaded.
async fn appears() -> Option<PathBuf> {
    for _ in 0..APPEARS_WITHIN_SECONDS {
        let found = device(Path::new("/sys/class/input"));
        if found.is_some() {
            return found;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    None
}

/// The event device of the input called "Power Button".
fn device(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let node = entry.file_name();
        let name = fs::read_to_string(entry.path().join("device/name")).ok()?;
        let is_button =
            node.to_string_lossy().starts_with("event") && name.trim() == "Power Button";
        is_button.then(|| Path::new("/dev/input").join(node))
    })
}

fn is_press(event: &[u8; EVENT]) -> bool {
    let short = |at: usize| u16::from_ne_bytes([event[at], event[at + 1]]);
    let pressed = event[VALUE..] == 1i32.to_ne_bytes();
    short(KIND) == EV_KEY && short(CODE) == KEY_POWER && pressed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_press_of_the_button_counts() {
        let event = |kind: u16, code: u16, value: i32| {
            let mut bytes = [0; EVENT];
            bytes[KIND..CODE].copy_from_slice(&kind.to_ne_bytes());
            bytes[CODE..VALUE].copy_from_slice(&code.to_ne_bytes());
            bytes[VALUE..].copy_from_slice(&value.to_ne_bytes());
            bytes
        };
        assert!(is_press(&event(EV_KEY, KEY_POWER, 1)));
        assert!(!is_press(&event(EV_KEY, KEY_POWER, 0)));
        assert!(!is_press(&event(EV_KEY, 30, 1)));
        assert!(!is_press(&event(0, 0, 0)));
    }
}
