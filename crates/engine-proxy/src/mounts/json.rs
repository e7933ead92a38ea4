//! JSON read in place, so that a change touches nothing but the string it changes: unknown
//! fields, their order and every digit of a number stay the client's.
//!
//! As the engine does, names are matched without regard to case, and all of several equal
//! ones count.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The text of a body and its first value; `None` when that is not JSON.
pub(crate) fn parse(body: &[u8]) -> Option<(&str, &RawValue)> {
    let text = std::str::from_utf8(body).ok()?;
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    Some((text, values.next()?.ok()?))
}

/// The values of all fields called `name`; none when this is not an object.
pub(crate) fn fields<'a>(object: &'a RawValue, name: &str) -> Vec<&'a RawValue> {
    entries(object)
        .into_iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

/// All fields with their names; none when this is not an object.
pub(crate) fn entries(object: &RawValue) -> Vec<(String, &RawValue)> {
    match serde_json::from_str(object.get()) {
        Ok(Entries(entries)) => entries,
        Err(_) => Vec::new(),
    }
}

/// The elements of an array; `None` when this is none.
pub(crate) fn elements(array: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(array.get()).ok()
}

/// The elements of the arrays in all fields called `name`.
pub(super) fn elements_of<'a>(object: &'a RawValue, name: &str) -> Vec<&'a RawValue> {
    fields(object, name)
        .into_iter()
        .filter_map(elements)
        .flatten()
        .collect()
}

/// An object of these fields, whose values are JSON.
pub(crate) fn object(fields: &[(&str, &str)]) -> String {
    format!("{{{}}}", joined(fields))
}

fn joined(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{}:{value}", Value::from(*name));
    fields.iter().map(field).collect::<Vec<_>>().join(",")
}

/// The text of a string.
pub(crate) fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// The text of the last field called `name`, which is the one that counts for the engine.
pub(crate) fn last_string(object: &RawValue, name: &str) -> Option<String> {
    fields(object, name).last().and_then(|value| string(value))
}

/// Changes to a text, collected and then made at once.
pub(crate) struct Patches<'a> {
    text: &'a str,
    changes: Vec<(std::ops::Range<usize>, String)>,
}

impl<'a> Patches<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            changes: Vec::new(),
        }
    }

    /// Replaces `value`, a part of the text, by the string `new`.
    pub(super) fn replace(&mut self, value: &'a RawValue, new: &str) {
        self.replace_json(value, Value::from(new).to_string());
    }

    /// Replaces `value`, a part of the text, by other JSON.
    pub(crate) fn replace_json(&mut self, value: &'a RawValue, new: String) {
        let start = self.offset(value);
        self.changes.push((start..start + value.get().len(), new));
    }

    /// Adds a field at the beginning of `object`, a part of the text.
    pub(crate) fn add_field(&mut self, object: &'a RawValue, name: &str, value: &str) {
        self.add_fields(object, &[(name, value)]);
    }

    /// Adds fields at the beginning of `object`, a part of the text, at most once.
    pub(crate) fn add_fields(&mut self, object: &'a RawValue, fields: &[(&str, &str)]) {
        let inside = object.get().trim_start_matches('{').trim_start();
        let comma = if inside.starts_with('}') { "" } else { "," };
        let start = self.offset(object) + 1;
        self.changes.push((start..start, joined(fields) + comma));
    }

    fn offset(&self, value: &RawValue) -> usize {
        value.get().as_ptr() as usize - self.text.as_ptr() as usize
    }

    /// The changed text, or `None` when nothing is to be changed.
    pub(crate) fn apply(mut self) -> Option<Vec<u8>> {
        if self.changes.is_empty() {
            return None;
        }
        self.changes.sort_by_key(|(range, _)| range.start);
        let mut changed = Vec::with_capacity(self.text.len() + 64);
        let mut done = 0;
        for (range, new) in self.changes {
            changed.extend_from_slice(&self.text.as_bytes()[done..range.start]);
            changed.extend_from_slice(new.as_bytes());
            done = range.end;
        }
        changed.extend_from_slice(&self.text.as_bytes()[done..]);
        Some(changed)
    }
}

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
