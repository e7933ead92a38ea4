//! Taking secrets out of what leaves this computer.
//!
//! Errs on the side of taking out too much: a diagnosis is read by strangers.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// What stands where a secret was.
const REMOVED: &str = "[removed]";

/// Words that make the value after them a secret.
const WORDS: &str = "passw(?:or)?d|passphrase|secret|token|credential|authorization|registry-auth|api[_-]?key|private[_-]?key|access[_-]?key";

/// `name: value` and its like, in plain text, JSON, JSON inside of JSON, and `--name value`.
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    regex(&format!(
        r#"(?i)((?:[\w.-]*(?:{WORDS})[\w.-]*|\b_?auth)\\?["']?\s*[:=]\s*|--[\w-]*(?:{WORDS})[\w-]*\s+)(\\".*?\\"|"(?:[^"\\]|\\.)*"|'[^']*'|(?:(?:basic|bearer|digest)\s+)?[^\s"',;]+)"#
    ))
});

/// The user part of a URL: up to the last `@` of the word, since passwords may hold anything.
static URL_USER: LazyLock<Regex> = LazyLock::new(|| regex(r#"(://)[^\s"'<>]*@"#));

/// A proxy given without a scheme: `http_proxy=user:password@host`.
static PROXY_USER: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(?i)(proxy\\?["']?\s*[:=]\s*\\?["']?)[^\s"'<>]*@"#));

/// Secrets that are known by their form.
static FORMS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?s)SWMTKN-[\w-]+|SWMKEY-[\w+/=-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
    )
});

static SECRET_KEY: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!(r"(?i){WORDS}|auth(?:[._-]|s?$)|(?:^|[._-])auth")));

/// A text without its secrets.
pub(crate) fn text(text: &str) -> String {
    let text = FORMS.replace_all(text, REMOVED);
    let text = URL_USER.replace_all(&text, format!("${{1}}{REMOVED}@"));
    let text = PROXY_USER.replace_all(&text, format!("${{1}}{REMOVED}@"));
    ASSIGNMENT
        .replace_all(&text, |found: &Captures<'_>| {
            // The quotes stay, so that what was JSON still is.
            let quote = match &found[2] {
                value if value.starts_with("\\\"") => "\\\"",
                value if value.starts_with('"') => "\"",
                value if value.starts_with('\'') => "'",
                _ => "",
            };
            format!("{}{quote}{REMOVED}{quote}", &found[1])
        })
        .into_owned()
}

/// A JSON value without its secrets: by the names of keys, and the texts as by [`text`].
pub(crate) fn json(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if SECRET_KEY.is_match(key) {
                    *value = REMOVED.into();
                } else {
                    json(value);
                    if key.to_lowercase().contains("proxy") {
                        without_user(value);
                    }
                }
            }
            // Settings as a list: {"key": "registry.token", "value": …}.
            if map
                .get("key")
                .and_then(Value::as_str)
                .is_some_and(|key| SECRET_KEY.is_match(key))
            {
                for name in ["value", "default"] {
                    if let Some(value) = map.get_mut(name) {
                        *value = REMOVED.into();
                    }
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(json),
        Value::String(string) => *string = text(string),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes `user:password@` from a proxy's address that has no scheme.
fn without_user(value: &mut Value) {
    if let Value::String(address) = value
        && let Some(at) = address.rfind('@')
        && !address.contains("://")
    {
        *address = format!("{REMOVED}{}", &address[at..]);
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern, compiled by the tests")
}

#[cfg(test)]
mod tests;
