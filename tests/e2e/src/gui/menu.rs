//! Entries of a menu as `com.canonical.dbusmenu` describes them.

use anyhow::{Context, Result, bail};
use zbus::zvariant::Value;

/// One entry, with what is below it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: i32,
    pub(crate) label: String,
    pub(crate) enabled: bool,
    pub(crate) below: Vec<Entry>,
}

impl Entry {
    /// From a structure of number, properties and children.
    pub(super) fn read(value: &Value<'_>) -> Result<Self> {
        let Value::Structure(structure) = inner(value) else {
            bail!("not an entry of a menu: {value:?}");
        };
        let [
            Value::I32(id),
            Value::Dict(properties),
            Value::Array(children),
        ] = structure.fields()
        else {
            bail!("not an entry of a menu: {structure:?}");
        };
        let mut label = String::new();
        let mut enabled = true;
        for (name, value) in properties.iter() {
            match (inner(name), inner(value)) {
                // Two underscores are one; one alone marks the letter that chooses the entry.
                (Value::Str(name), Value::Str(text)) if name == "label" => {
                    label = text.replace("__", "\0").replace('_', "").replace('\0', "_");
                }
                (Value::Str(name), Value::Bool(value)) if name == "enabled" => enabled = *value,
                _ => {}
            }
        }
        let below = children.iter().map(Entry::read).collect::<Result<_>>()?;
        Ok(Self {
            id: *id,
            label,
            enabled,
            below,
        })
    }
}

/// The entry that is named by its labels from the top, each by its beginning.
pub(super) fn find<'a>(menu: &'a [Entry], labels: &[&str]) -> Result<&'a Entry> {
    let (first, rest) = labels.split_first().context("no label")?;
    let entry = menu
        .iter()
        .find(|entry| entry.label.starts_with(first))
        .with_context(|| {
            let there: Vec<_> = menu.iter().map(|entry| entry.label.as_str()).collect();
            format!("no {first:?} among {there:?}")
        })?;
    match rest {
        [] => Ok(entry),
        rest => find(&entry.below, rest),
    }
}

/// Without the variants around it.
fn inner<'a, 'b>(value: &'a Value<'b>) -> &'a Value<'b> {
    match value {
        Value::Value(inside) => inner(inside),
        value => value,
    }
}
