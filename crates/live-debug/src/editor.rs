//! VS Code's `launch.json`: what connects an editor to a session.
//!
//! The file is the person's: it is JSON with comments, and everything in it stays as it is
//! but the one entry of the session's name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use coracle_guest_api::debug::Runtime;
use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstRootNode};
use serde_json::{Value, json};

use crate::sessions::Session;

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It could not be read or written.
    #[error("cannot change {0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// It is not what an editor would read either.
    #[error("{0} was left alone, because it is not understood: {1}")]
    Malformed(PathBuf, String),
}

/// Adds the session to `.vscode/launch.json` in `folder`, or replaces its entry; returns the file.
pub fn write(folder: &Path, session: &Session) -> Result<PathBuf, WriteError> {
    let file = folder.join(".vscode/launch.json");
    let failed = |error| WriteError::Io(file.clone(), error);
    let before = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let mut entry = configuration(session);
    relate(&mut entry, folder);
    let after = merge(&before, &entry).map_err(|why| WriteError::Malformed(file.clone(), why))?;
    fs::create_dir_all(folder.join(".vscode")).map_err(failed)?;
    fs::write(&file, after).map_err(failed)?;
    Ok(file)
}

/// The entry of a session, with absolute paths.
pub(crate) fn configuration(session: &Session) -> Value {
    let name = format!("Coracle: {}", session.target);
    let port = session.address.port();
    match session.process.runtime {
        // The extension "Native Debug" (webfreak.debug), which runs gdb itself.
        Runtime::Native => {
            let sources = session.paths.iter().map(|one| {
                let (from, to) = (quoted(&one.remote), quoted(&one.local));
                format!("set substitute-path {from} {to}")
            });
            json!({
                "name": name, "type": "gdb", "request": "attach", "remote": true,
                "target": format!("127.0.0.1:{port}"), "cwd": "${workspaceFolder}",
                "autorun": sources.collect::<Vec<_>>(),
            })
        }
        Runtime::Node => {
            let mut entry = json!({
                "name": name, "type": "node", "request": "attach", "address": "127.0.0.1",
                "port": port, "restart": true, "skipFiles": ["<node_internals>/**"],
            });
            // It takes one pair: the one of the program's folder.
            let folder = Path::new(&session.process.folder);
            let fits = |one: &&crate::PathMap| folder.starts_with(&one.remote);
            if let Some(sources) = session.paths.iter().find(fits) {
                entry["localRoot"] = sources.local.clone().into();
                entry["remoteRoot"] = sources.remote.clone().into();
            }
            entry
        }
        Runtime::Python => {
            let sources = session
                .paths
                .iter()
                .map(|one| json!({ "localRoot": one.local, "remoteRoot": one.remote }));
            json!({
                "name": name, "type": "debugpy", "request": "attach",
                "connect": { "host": "127.0.0.1", "port": port },
                "pathMappings": sources.collect::<Vec<_>>(), "justMyCode": true,
            })
        }
    }
}

fn quoted(path: &str) -> String {
    match path.contains(' ') {
        true => format!("\"{path}\""),
        false => path.to_owned(),
    }
}

/// Writes paths below `folder` as editors share them.
fn relate(value: &mut Value, folder: &Path) {
    match value {
        Value::String(text) => {
            let root = folder.to_string_lossy();
            let root = root.trim_end_matches('/');
            if text == root
                || text.contains(&format!("{root}/"))
                || text.ends_with(&format!(" {root}"))
            {
                *text = text.replacen(root, "${workspaceFolder}", 1);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| relate(one, folder)),
        Value::Object(all) => all.values_mut().for_each(|one| relate(one, folder)),
        _ => {}
    }
}

/// The file with the entry in it.
fn merge(text: &str, entry: &Value) -> Result<String, String> {
    let text = match text.trim().is_empty() {
        true => "{\n    \"version\": \"0.2.0\",\n    \"configurations\": []\n}\n",
        false => text,
    };
    let root = CstRootNode::parse(text, &ParseOptions::default());
    let root = root.map_err(|error| error.to_string())?;
    let object = root.object_value_or_create().ok_or("it holds no object")?;
    let all = object
        .array_value_or_create("configurations")
        .ok_or("its \"configurations\" are no list")?;
    all.ensure_multiline();
    let name = entry["name"].as_str();
    let is_its = |element: &jsonc_parser::cst::CstNode| {
        let old = element.to_serde_value();
        old.is_some_and(|old| old["name"].as_str() == name)
    };
    let old = all.elements().into_iter().find(is_its);
    match old.and_then(|node| node.as_object()) {
        Some(old) => {
            old.replace_with(input(entry));
        }
        None => {
            all.append(input(entry));
        }
    }
    Ok(root.to_string())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(one) => CstInputValue::Bool(*one),
        Value::Number(one) => CstInputValue::Number(one.to_string()),
        Value::String(one) => CstInputValue::String(one.clone()),
        Value::Array(all) => CstInputValue::Array(all.iter().map(input).collect()),
        Value::Object(all) => {
            let all = all.iter().map(|(name, one)| (name.clone(), input(one)));
            CstInputValue::Object(all.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "// mine\n{\n  \"version\": \"0.2.0\", // keep\n  \"configurations\": [\n    \
        { \"name\": \"a\", /* all */ \"type\": \"x\" },\n  ],\n}\n";

    #[test]
    fn what_is_there_stays_and_the_entry_is_replaced() {
        let entry = json!({ "name": "Coracle: web", "port": 1 });
        let once = merge(OLD, &entry).unwrap();
        for part in ["// mine", "// keep", "/* all */", "\"port\": 1"] {
            assert!(once.contains(part), "{part} is missing in\n{once}");
        }
        let again = merge(&once, &json!({ "name": "Coracle: web", "port": 2 })).unwrap();
        assert!(
            again.contains("\"port\": 2") && !again.contains("\"port\": 1"),
            "{again}"
        );
        assert_eq!(again.matches("Coracle: web").count(), 1);
        let parsed = CstRootNode::parse(&again, &ParseOptions::default()).unwrap();
        let all = parsed.to_serde_value().unwrap();
        assert_eq!(all["configurations"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_new_file_and_a_broken_one() {
        let entry = json!({ "name": "Coracle: web", "port": 1 });
        let new: Value = serde_json::from_str(&merge("", &entry).unwrap()).unwrap();
        assert_eq!(new["configurations"][0], entry);
        assert!(merge("{ \"configurations\": [", &entry).is_err());
        assert!(merge("[]", &entry).is_err());
        assert!(merge("{ \"configurations\": 3 }", &entry).is_err());
    }

    #[test]
    fn paths_in_the_folder_are_relative() {
        let mut entry = json!({ "a": "/home/me/app/web", "b": ["set substitute-path /app /home/me/app"],
            "c": "/home/me/application" });
        relate(&mut entry, Path::new("/home/me/app"));
        assert_eq!(entry["a"], "${workspaceFolder}/web");
        assert_eq!(entry["b"][0], "set substitute-path /app ${workspaceFolder}");
        assert_eq!(entry["c"], "/home/me/application");
    }
}
