//! All settings in the person's editor.

use std::io::Write;
use std::path::PathBuf;

use coracle_daemon_api::{ErrorCode, Setting, SettingChange, SettingsChanged};
use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use super::report;
use crate::failure::Failure;
use crate::platform;
use crate::session::Session;

/// Opens the editor, then hands what changed to the daemon: all or nothing. Text that is not taken is kept.
pub(super) async fn run(session: &Session, settings: &[Setting]) -> Result<(), Failure> {
    let before: Map<String, Value> = settings
        .iter()
        .map(|setting| (setting.key.clone(), setting.value.clone()))
        .collect();
    let file = write(&before)?;
    open_editor(&file)?;
    let text = std::fs::read_to_string(file.path())?;
    let after: Map<String, Value> = match serde_json::from_str(&text) {
        Ok(after) => after,
        Err(error) => {
            return Err(kept(
                file,
                ErrorCode::InvalidInput,
                &format!("that is no JSON object: {error}"),
            ));
        }
    };
    let changes = changes(&before, &after);
    if changes.is_empty() {
        let nothing = SettingsChanged {
            changed: vec![],
            restart_needed: false,
        };
        return report(session, &nothing);
    }
    match session.client.change(&changes).await {
        Ok(changed) => report(session, &changed),
        Err(error) => {
            let error = error.to_api();
            Err(kept(file, error.code, &error.message))
        }
    }
}

/// What to send: changed and added keys, and null (the default) for removed ones.
fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<SettingChange> {
    let changed = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(value));
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    changed
        .map(|(key, value)| (key, value.clone()))
        .chain(removed.map(|key| (key, Value::Null)))
        .map(|(key, value)| SettingChange {
            key: key.clone(),
            value,
        })
        .collect()
}

fn write(settings: &Map<String, Value>) -> Result<NamedTempFile, Failure> {
    let mut file = tempfile::Builder::new()
        .prefix("coracle-settings-")
        .suffix(".json")
        .tempfile()?;
    let text = serde_json::to_string_pretty(settings)?;
    writeln!(file, "{text}")?;
    Ok(file)
}

fn open_editor(file: &NamedTempFile) -> Result<(), Failure> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .ok_or_else(|| {
            Failure::new(
                ErrorCode::Missing,
                "no editor is known: set EDITOR, or use `coracle config set`",
            )
        })?;
    let status = platform::editor(&editor, file.path())
        .status()
        .map_err(|error| Failure::host(format!("cannot start {editor}"), &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(
            ErrorCode::InvalidInput,
            format!("{editor} ended with {status}: nothing was changed"),
        ))
    }
}

/// An error that tells where the person's text is.
fn kept(file: NamedTempFile, code: ErrorCode, reason: &str) -> Failure {
    let place = match file.keep() {
        Ok((_, path)) => path,
        Err(error) => PathBuf::from(error.to_string()),
    };
    Failure::new(
        code,
        format!(
            "{reason}; nothing was changed and your text is in {}",
            place.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_differences_are_sent() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let before = map(json!({ "a": 1, "b": 2, "c": 3 }));
        let after = map(json!({ "a": 1, "b": 5, "d": 6 }));
        let changes: Vec<_> = changes(&before, &after)
            .into_iter()
            .map(|change| (change.key, change.value))
            .collect();
        let expected = [
            ("b".to_owned(), json!(5)),
            ("d".to_owned(), json!(6)),
            ("c".to_owned(), Value::Null),
        ];
        assert_eq!(changes, expected);
    }
}
