//! `settings.json`: an object with a `version` and, by their dotted names, the settings that
//! differ from their defaults.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::SettingsError;
use super::schema::{self, HostFacts};

pub(super) type Stored = Map<String, Value>;

/// Each takes the settings of the version of its index + 1 to the next version.
const MIGRATIONS: &[fn(&mut Stored)] = &[];

const VERSION: &str = "version";

/// What the file holds, migrated and checked, without its version; unknown keys included.
pub(super) fn read(path: &Path, facts: &HostFacts) -> Result<Stored, SettingsError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::new()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(broken(path, None, "it is not UTF-8"));
        }
        Err(source) => {
            return Err(SettingsError::Io {
                verb: "read",
                path: path.into(),
                source,
            });
        }
    };
    parse(path, &text, facts)
}

/// The same of the text in the file at `path`.
pub(super) fn parse(path: &Path, text: &str, facts: &HostFacts) -> Result<Stored, SettingsError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| broken(path, Some(error.line()), &words(&error)))?;
    let Value::Object(mut stored) = value else {
        return Err(broken(path, Some(1), "it is not a JSON object"));
    };
    migrate(&mut stored, MIGRATIONS).map_err(|why| broken(path, line_of(text, VERSION), &why))?;
    for (key, value) in &stored {
        if let Some(entry) = schema::find(key) {
            (entry.check)(value, facts)
                .map_err(|why| broken(path, line_of(text, key), &format!("{key} {why}")))?;
        }
    }
    Ok(stored)
}

/// Replaces the file as a whole: after a crash it is the old one or the new one.
pub(super) fn write(path: &Path, mut stored: Stored) -> Result<(), SettingsError> {
    stored.shift_insert(0, VERSION.into(), json!(MIGRATIONS.len() + 1));
    replace(path, &stored).map_err(|source| SettingsError::Io {
        verb: "write",
        path: path.into(),
        source,
    })
}

fn replace(path: &Path, stored: &Stored) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut file, stored)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

/// Takes the version out and brings the rest to the newest one. A file without a version was
/// written by hand, for this one.
fn migrate(stored: &mut Stored, steps: &[fn(&mut Stored)]) -> Result<(), String> {
    let newest = steps.len() as u64 + 1;
    let version = match stored.shift_remove(VERSION) {
        None => newest,
        Some(version) => version
            .as_u64()
            .filter(|version| *version > 0)
            .ok_or_else(|| format!("its version is {version}, which never was"))?,
    };
    if version > newest {
        return Err(format!(
            "a newer Coracle wrote it (version {version}, this one reads {newest}): update Coracle"
        ));
    }
    for step in &steps[version as usize - 1..] {
        step(stored);
    }
    Ok(())
}

fn broken(path: &Path, line: Option<usize>, why: &str) -> SettingsError {
    let line = line
        .map(|line| format!(", line {line}"))
        .unwrap_or_default();
    SettingsError::File(format!(
        "{}{line}: {why}. Correct the file, or move it away to return to the defaults",
        path.display()
    ))
}

/// What serde says, without the place, which is told already.
fn words(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "it ends too early".into();
    }
    let text = error.to_string();
    let place = format!(" at line {}", error.line());
    text.rsplit_once(&place)
        .map_or(text.as_str(), |(words, _)| words)
        .into()
}

/// The line that names a key, counted from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let quoted = format!("\"{key}\"");
    text.lines()
        .position(|line| line.contains(&quoted))
        .map(|line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_taken_once_and_a_newer_file_is_refused() {
        let steps: [fn(&mut Stored); 2] = [
            |stored| {
                let old = stored.shift_remove("cpus").unwrap();
                stored.insert("processors".into(), old);
            },
            |stored| {
                let old = stored.shift_remove("processors").unwrap();
                stored.insert("vm.cpus".into(), old);
            },
        ];
        for (version, key) in [(1, "cpus"), (2, "processors"), (3, "vm.cpus")] {
            let mut stored = Stored::new();
            stored.insert(VERSION.into(), json!(version));
            stored.insert(key.into(), json!(2));
            migrate(&mut stored, &steps).unwrap();
            assert_eq!(Value::Object(stored), json!({"vm.cpus": 2}));
        }
        let mut newer = Stored::new();
        newer.insert(VERSION.into(), json!(4));
        assert!(migrate(&mut newer, &steps).unwrap_err().contains("newer"));
        let mut odd = Stored::new();
        odd.insert(VERSION.into(), json!("x"));
        assert!(migrate(&mut odd, &steps).is_err());
    }
}
