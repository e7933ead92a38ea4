//! Which keys of `daemon.json` are the person's.

use serde_json::{Map, Value, json};

use super::proxy::Proxies;

/// The guest agent sets these, or the way to the host depends on them.
const OWNED: &[&str] = &[
    "containerd",
    "containerd-namespace",
    "containerd-plugin-namespace",
    "data-root",
    "exec-root",
    "group",
    "hosts",
    "live-restore",
    "log-level",
    "pidfile",
    "tls",
    "tlscacert",
    "tlscert",
    "tlskey",
    "tlsverify",
    "userland-proxy",
    "userland-proxy-path",
];

/// Refuses what is no object and what would take from the guest what it owns.
pub(super) fn check(value: &Value) -> Result<(), String> {
    let config = value
        .as_object()
        .ok_or_else(|| format!("must be a JSON object, not {value}"))?;
    match OWNED.iter().find(|key| config.contains_key(**key)) {
        Some(key) => Err(format!(
            "sets {key}, which belongs to the VM: take that key out"
        )),
        None => Ok(()),
    }
}

/// What the person wrote, completed by the settings of their own. Lists are joined; of single
/// values the person's win.
pub(super) fn complete(
    own: Value,
    proxies: &Proxies,
    insecure: Vec<String>,
    mirrors: Vec<String>,
) -> Map<String, Value> {
    let mut config = match own {
        Value::Object(own) => own,
        _ => Map::new(),
    };
    for (key, entries) in [
        ("insecure-registries", insecure),
        ("registry-mirrors", mirrors),
    ] {
        if !entries.is_empty()
            && let Value::Array(all) = config.entry(key).or_insert_with(|| json!([]))
        {
            for entry in entries {
                if !all.contains(&json!(entry)) {
                    all.push(json!(entry));
                }
            }
        }
    }
    if let Some(ours) = proxies.for_engine()
        && let Value::Object(all) = config.entry("proxies").or_insert_with(|| json!({}))
    {
        for (name, value) in ours {
            all.entry(name).or_insert(value);
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_joined_and_the_persons_values_win() {
        let own = json!({
            "insecure-registries": ["a:1"],
            "proxies": {"no-proxy": "corp"},
            "debug": true,
        });
        let proxies = Proxies {
            http: "http://localhost:1".into(),
            ..Proxies::default()
        };
        let list = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect();
        let config = complete(own, &proxies, list(&["a:1", "b:2"]), list(&["http://m"]));
        let wanted = json!({
            "insecure-registries": ["a:1", "b:2"],
            "proxies": {"no-proxy": "corp", "http-proxy": "http://host.docker.internal:1"},
            "debug": true,
            "registry-mirrors": ["http://m"],
        });
        assert_eq!(Value::Object(config), wanted);
        let nothing = complete(json!({}), &Proxies::default(), vec![], vec![]);
        assert!(nothing.is_empty());
    }
}
