//! Registries that the engine treats in another way than the public ones.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::url::{Url, address_of};

/// The longest file of certificates, in bytes.
const LONGEST: u64 = 256 << 10;

/// Refuses what is no list of registries or networks.
pub(super) fn check_insecure(value: &Value) -> Result<(), String> {
    let fits = |entry: &str| match entry.split_once('/') {
        Some((ip, bits)) => ip.parse().is_ok_and(|ip: IpAddr| {
            let most = if ip.is_ipv4() { 32 } else { 128 };
            bits.parse().is_ok_and(|bits: u8| bits <= most)
        }),
        None => address_of(entry).is_some(),
    };
    check_list(
        value,
        fits,
        "registries as host or host:port, or networks such as 10.1.0.0/16",
    )
}

/// Refuses what dockerd would not start with.
pub(super) fn check_mirrors(value: &Value) -> Result<(), String> {
    let fits = |entry: &str| {
        Url::parse(entry).is_some_and(|url| {
            ["http", "https"].contains(&url.scheme)
                && url.user.is_none()
                && ["", "/"].contains(&url.rest)
        })
    };
    check_list(
        value,
        fits,
        "URLs such as https://mirror.example.com:5000, without user and path",
    )
}

fn check_list(value: &Value, fits: impl Fn(&str) -> bool, what: &str) -> Result<(), String> {
    let wrong = |found: &Value| Err(format!("must be a list of {what}; {found} is not one"));
    let Value::Array(entries) = value else {
        return wrong(value);
    };
    match entries
        .iter()
        .find(|entry| !entry.as_str().is_some_and(&fits))
    {
        Some(entry) => wrong(entry),
        None => Ok(()),
    }
}

/// The texts of a list that was checked.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let entries = value.as_array().into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.as_str()?.to_owned()))
        .collect()
}

/// The mirrors of a list that was checked, as the guest reaches them.
pub(super) fn mirrors_for_guest(value: &Value) -> Vec<String> {
    texts(value)
        .iter()
        .filter_map(|text| Some(Url::parse(text)?.for_guest()))
        .collect()
}

/// The files of certificates by registry.
pub(super) fn authorities(value: &Value) -> Result<BTreeMap<String, PathBuf>, String> {
    let example = "{\"registry.example.com:5000\": \"/home/me/ca.pem\"}";
    let wrong = |why: String| format!("must be a JSON object such as {example}: {why}");
    let object = value
        .as_object()
        .ok_or_else(|| wrong(format!("{value} is none")))?;
    let mut all = BTreeMap::new();
    for (registry, file) in object {
        if address_of(registry).is_none() {
            return Err(wrong(format!(
                "{registry:?} is not a registry as host or host:port"
            )));
        }
        let path = file
            .as_str()
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let path =
            path.ok_or_else(|| wrong(format!("{file} is not the absolute path of a file")))?;
        all.insert(registry.clone(), path);
    }
    Ok(all)
}

/// The text of a file of certificates; an error follows the setting's name in a sentence.
pub(super) fn certificates(file: &Path) -> Result<String, String> {
    let unusable = |why: String| format!("names {}, which {why}", file.display());
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
        .map_err(|error| unusable(format!("cannot be read: {error}")))?;
    if text.len() as u64 > LONGEST {
        return Err(unusable(format!("is larger than {} KiB", LONGEST >> 10)));
    }
    if text.contains("PRIVATE KEY-----") {
        return Err(unusable(
            "holds a private key: name a file with certificates alone".into(),
        ));
    }
    match text.contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(text),
        false => Err(unusable("holds no certificate in PEM form".into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_name_the_entry_that_is_wrong() {
        check_insecure(&json!([
            "registry:5000",
            "10.1.0.0/16",
            "fd00::/8",
            "[::1]:5000"
        ]))
        .unwrap();
        for entry in ["http://registry", "10.1.0.0/33", "a/b", "", "x:y"] {
            let why = check_insecure(&json!(["good:5000", entry])).unwrap_err();
            assert!(why.contains(&format!("{entry:?}")), "{why}");
        }
        check_mirrors(&json!(["http://localhost:5000", "https://mirror.corp/"])).unwrap();
        for entry in [
            "mirror.corp",
            "https://mirror.corp/path",
            "https://me@mirror",
            "ftp://mirror",
        ] {
            assert!(check_mirrors(&json!([entry])).unwrap_err().contains(entry));
        }
        assert!(check_mirrors(&json!("https://mirror")).is_err());
        let mirrors = mirrors_for_guest(&json!(["http://localhost:5000"]));
        assert_eq!(mirrors, ["http://host.docker.internal:5000"]);
    }

    #[test]
    fn authorities_are_files_of_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let good = file("ca.pem", "-----BEGIN CERTIFICATE-----\n");
        let all = authorities(&json!({"registry:5000": good})).unwrap();
        assert_eq!(all["registry:5000"], good);
        certificates(&good).unwrap();
        for (path, why) in [
            (
                file(
                    "key.pem",
                    "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----",
                ),
                "private key",
            ),
            (file("text", "hello"), "no certificate"),
            (file("long", &"x".repeat(300 << 10)), "larger"),
            (folder.path().join("missing"), "cannot be read"),
        ] {
            let error = certificates(&path).unwrap_err();
            assert!(
                error.contains(why) && error.contains(path.to_str().unwrap()),
                "{error}"
            );
        }
        for value in [
            json!([]),
            json!({"../x": "/a"}),
            json!({"x": "a.pem"}),
            json!({"x": 1}),
        ] {
            assert!(
                authorities(&value).unwrap_err().contains("JSON object"),
                "{value}"
            );
        }
    }
}
