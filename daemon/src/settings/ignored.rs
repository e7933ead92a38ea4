//! What of the shared folders nobody is told of.

use coracle_file_events::Ignored;
use serde_json::Value;

/// The patterns of a value.
pub(super) fn patterns(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || format!("must be a list of patterns, not {value}");
    let list = value.as_array().ok_or_else(wrong)?;
    let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().ok_or_else(wrong)
}

pub(super) fn check(value: &Value) -> Result<(), String> {
    Ignored::parse(&patterns(value)?).map(|_| ())
}
