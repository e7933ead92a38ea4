//! What the state folder tells. The boot configuration (with its secret) and the disks are
//! never read.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use coracle_host_paths::HostPaths;
use serde_json::{Value, json};

use super::document;
use crate::failure::Failure;
use crate::scrub;

/// How much of the end of a log is taken, in bytes.
const LOG_TAIL: u64 = 4 << 20;

/// The settings file. One that is not JSON is not quoted: what is secret in it is unknown.
pub(super) fn settings(paths: &HostPaths) -> Result<String, Failure> {
    document(match fs::read(paths.settings_file()) {
        Ok(bytes) => serde_json::from_slice::<Value>(&bytes)
            .unwrap_or_else(|error| json!({ "unreadable": error.to_string() })),
        Err(error) => json!({ "unreadable": error.to_string() }),
    })
}

/// The end of every log.
pub(super) fn logs(paths: &HostPaths) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(paths.log_dir()) else {
        return vec![];
    };
    let mut logs: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| {
            let text = tail(&entry.path()).unwrap_or_else(|error| format!("{error}\n"));
            let name = entry.file_name().to_string_lossy().into_owned();
            (format!("log/{name}"), scrub::text(&text))
        })
        .collect();
    logs.sort();
    logs
}

/// Names, sizes and permissions of the files.
pub(super) fn listing(paths: &HostPaths) -> String {
    let mut text = String::new();
    for folder in [
        paths.home().to_owned(),
        paths.run_dir(),
        paths.log_dir(),
        paths.vm_dir(),
    ] {
        text += &format!("{}\n", folder.display());
        match fs::read_dir(&folder) {
            Ok(entries) => {
                let mut lines: Vec<_> = entries.flatten().map(|entry| describe(&entry)).collect();
                lines.sort();
                text.extend(lines);
            }
            Err(error) => text += &format!("  {error}\n"),
        }
    }
    text
}

fn describe(entry: &fs::DirEntry) -> String {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    match entry.metadata() {
        Ok(metadata) => format!(
            "  {name}  {} bytes  {:?}\n",
            metadata.len(),
            metadata.permissions()
        ),
        Err(error) => format!("  {name}  {error}\n"),
    }
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
    let mut bytes = Vec::new();
    // A log that grows meanwhile does not make it endless.
    file.take(LOG_TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
