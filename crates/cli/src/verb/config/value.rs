//! From words of a command line to the value of a setting.

use coracle_daemon_api::Setting;
use serde_json::Value;

/// Each word is JSON if it can be, else text; the setting's default tells text from numbers and lists
/// from single values where both readings are possible.
pub(super) fn from_words(setting: &Setting, words: &[String]) -> Value {
    let list = setting.default.is_array();
    match words {
        [word] => match from_word(word, setting.default.is_string()) {
            value if list && !value.is_array() && !value.is_null() => Value::Array(vec![value]),
            value => value,
        },
        words => Value::Array(words.iter().map(|word| from_word(word, false)).collect()),
    }
}

fn from_word(word: &str, text_wanted: bool) -> Value {
    match serde_json::from_str(word) {
        Ok(value @ (Value::String(_) | Value::Null)) => value,
        Ok(value) if !text_wanted => value,
        _ => Value::String(word.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(default: Value, words: &[&str]) -> Value {
        let setting = Setting {
            key: "k".into(),
            value: default.clone(),
            default,
            description: String::new(),
            needs_restart: false,
        };
        let words: Vec<String> = words.iter().map(|word| (*word).into()).collect();
        from_words(&setting, &words)
    }

    #[test]
    fn words_become_what_the_setting_holds() {
        assert_eq!(value(json!(2), &["4"]), json!(4));
        assert_eq!(value(json!(true), &["false"]), json!(false));
        assert_eq!(value(json!("x"), &["4"]), json!("4"));
        assert_eq!(value(json!("x"), &["\"4\""]), json!("4"));
        assert_eq!(value(json!("x"), &["null"]), Value::Null);
        assert_eq!(value(json!([]), &["/a"]), json!(["/a"]));
        assert_eq!(value(json!([]), &["/a", "/b"]), json!(["/a", "/b"]));
        assert_eq!(value(json!([]), &["[\"/a\", \"/b\"]"]), json!(["/a", "/b"]));
        assert_eq!(value(json!(["/a"]), &["null"]), Value::Null);
    }
}
