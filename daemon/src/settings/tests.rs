use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::*;

fn facts(folder: &Path) -> HostFacts {
    HostFacts {
        cpus: 4,
        memory_mib: 12_000,
        user_home: Some(folder.into()),
        state: folder.join("state"),
        data_disk: folder.join("data.raw"),
        proxies: Proxies::default(),
    }
}

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("settings.json"), facts(folder.path()));
    (folder, store)
}

fn wish(key: &str, value: Value) -> SettingChange {
    SettingChange {
        key: key.into(),
        value,
    }
}

fn refusal(store: &Store, key: &str, value: Value) -> String {
    match store.change(&[wish(key, value)]).unwrap_err() {
        SettingsError::Change(why) => why,
        other => panic!("{other}"),
    }
}

#[test]
fn without_a_file_the_defaults_follow_the_host() {
    let (folder, store) = store();
    let settings = store.load().unwrap();
    assert_eq!(settings.cpus, 4);
    assert_eq!(settings.memory_mib, 3000);
    assert_eq!(settings.disk_gib, 64);
    assert_eq!(settings.shares, [folder.path()]);
    assert!(!folder.path().join("settings.json").exists());
    for setting in store.list().unwrap() {
        assert_eq!(setting.value, setting.default);
    }
}

#[test]
fn changes_are_kept_and_null_returns_to_the_default() {
    let (folder, store) = store();
    let changed = store
        .change(&[wish("vm.cpus", json!(2)), wish("vm.disk_gib", json!(64))])
        .unwrap();
    let keys: Vec<_> = changed.iter().map(|setting| &setting.key).collect();
    assert_eq!(keys, ["vm.cpus"], "64 is the default already");
    assert_eq!(store.load().unwrap().cpus, 2);
    let file = folder.path().join("settings.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    store.change(&[wish("vm.cpus", Value::Null)]).unwrap();
    assert_eq!(store.load().unwrap().cpus, 4);
}

#[test]
fn one_wrong_wish_spoils_them_all() {
    let (folder, store) = store();
    let wishes = [wish("vm.cpus", json!(2)), wish("vm.cpu", json!(2))];
    let error = store.change(&wishes).unwrap_err().to_string();
    assert!(error.contains("vm.cpu:"), "{error}");
    assert!(!folder.path().join("settings.json").exists());
}

#[test]
fn values_out_of_range_are_refused_with_the_range() {
    let (_folder, store) = store();
    for value in [
        json!(0),
        json!(5),
        json!(-1),
        json!(1.5),
        json!("2"),
        json!([]),
    ] {
        assert!(refusal(&store, "vm.cpus", value).contains("from 1 to 4"));
    }
    assert!(refusal(&store, "vm.memory_mib", json!(512)).contains("from 1024 to 12000"));
    assert!(refusal(&store, "engine.config", json!([1])).contains("JSON object"));
    let owned = json!({"debug": true, "data-root": "/x"});
    assert!(refusal(&store, "engine.config", owned).contains("data-root"));
    let own = json!({"insecure-registries": ["localhost:5000"]});
    store.change(&[wish("engine.config", own.clone())]).unwrap();
    assert_eq!(Value::Object(store.load().unwrap().engine), own);
}

#[test]
fn the_data_disk_never_shrinks() {
    let (folder, store) = store();
    let disk = fs::File::create(folder.path().join("data.raw")).unwrap();
    disk.set_len(70 << 30).unwrap();
    assert!(refusal(&store, "vm.disk_gib", json!(69)).contains("70 GiB"));
    assert!(refusal(&store, "vm.disk_gib", Value::Null).contains("70 GiB"));
    store.change(&[wish("vm.disk_gib", json!(70))]).unwrap();
}

#[test]
fn only_folders_that_fit_into_the_guest_are_shared() {
    let (folder, store) = store();
    let make = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (a, inside, state) = (make("a"), make("a/b"), make("state/log"));
    for path in [
        "/",
        "/usr",
        "/usr/",
        "//etc",
        "/proc/self",
        "/dev",
        "/run/user",
        "/var",
        "/bin",
        "/lib",
        "/sbin",
        "/boot",
        "/sys",
    ] {
        let why = refusal(&store, "shares", json!([path]));
        assert!(why.contains("cover"), "{path}: {why}");
    }
    assert!(refusal(&store, "shares", json!(["src"])).contains("absolute"));
    assert!(refusal(&store, "shares", json!([format!("{a}/../..")])).contains(".."));
    assert!(refusal(&store, "shares", json!([state])).contains("own state"));
    assert!(refusal(&store, "shares", json!([a, inside])).contains("twice"));
    assert!(refusal(&store, "shares", json!([a, a])).contains("twice"));
    assert!(refusal(&store, "shares", json!(a)).contains("list"));
    let missing = format!("{a}/missing");
    assert!(refusal(&store, "shares", json!([missing])).contains(&missing));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("/usr", &link).unwrap();
    assert!(refusal(&store, "shares", json!([link])).contains("cover"));
    store.change(&[wish("shares", json!([a]))]).unwrap();
    // It may go later: then the next start says so, and the daemon still comes up.
    fs::remove_dir_all(&a).unwrap();
    assert_eq!(store.load().unwrap().shares, [Path::new(&a)]);
    assert!(check_share_exists(Path::new(&a)).is_err());
}

#[test]
fn a_broken_file_is_named_with_its_line_and_left_alone() {
    let (folder, store) = store();
    let file = folder.path().join("settings.json");
    for (text, line, what) in [
        ("{\n  \"vm.cpus\": 2,\n}", "line 3", "trailing comma"),
        (
            "{\"version\": 1,\n\"vm.cpus\": 99}",
            "line 2",
            "vm.cpus must be",
        ),
        ("{\n\n\"version\": 99}", "line 3", "newer Coracle"),
        ("[]", "line 1", "JSON object"),
        ("", "line 1", "ends too early"),
    ] {
        fs::write(&file, text).unwrap();
        for error in [
            store.load().unwrap_err(),
            store.change(&[wish("vm.cpus", json!(1))]).unwrap_err(),
        ] {
            let why = error.to_string();
            assert!(why.contains(file.to_str().unwrap()), "{why}");
            assert!(why.contains(line) && why.contains(what), "{why}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn unknown_keys_are_reported_and_survive_a_change() {
    let (folder, store) = store();
    let file = folder.path().join("settings.json");
    fs::write(&file, r#"{"version": 1, "vm.gpu": true}"#).unwrap();
    assert_eq!(store.load().unwrap().unknown, ["vm.gpu"]);
    store.change(&[wish("vm.cpus", json!(1))]).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let stored: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stored, json!({"version": 1, "vm.gpu": true, "vm.cpus": 1}));
}

#[test]
fn what_the_engine_is_told_follows_from_all_settings() {
    let (folder, mut store) = store();
    store.facts.proxies.http = "http://localhost:3128".into();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, "-----BEGIN CERTIFICATE-----\n").unwrap();
    store
        .change(&[
            wish("registry.insecure", json!(["host.docker.internal:5000"])),
            wish("registry.ca", json!({"registry:5000": ca})),
        ])
        .unwrap();
    let settings = store.load().unwrap();
    assert_eq!(settings.registry_ca["registry:5000"], ca);
    let proxy = "http://host.docker.internal:3128";
    assert_eq!(settings.engine["proxies"]["http-proxy"], proxy);
    let insecure = json!(["host.docker.internal:5000"]);
    assert_eq!(settings.engine["insecure-registries"], insecure);
    store.change(&[wish("proxy.http", json!(""))]).unwrap();
    assert!(!store.load().unwrap().engine.contains_key("proxies"));
    for (key, value) in [
        ("proxy.https", json!("localhost")),
        ("registry.mirrors", json!(["mirror"])),
        ("registry.insecure", json!("http://x")),
        ("registry.ca", json!({"x:1": "/nonexistent"})),
    ] {
        let why = refusal(&store, key, value);
        assert!(why.starts_with(key), "{why}");
    }
}
