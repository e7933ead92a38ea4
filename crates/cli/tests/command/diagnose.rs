use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::Home;

fn unpack(home: &Home, name: &str) -> BTreeMap<String, String> {
    let file = std::fs::File::open(home.path(name)).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    tar::Archive::new(file)
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            let name = path.strip_prefix("coracle-diagnose/").unwrap().to_owned();
            (name, text)
        })
        .collect()
}

#[test]
fn secrets_stay_at_home() {
    let home = Home::new();
    home.write(
        "state/settings.json",
        r#"{"vm":{"cpus":2},"engine.http_proxy":"http://me:hunter2@proxy","registry":{"token":"hunter3"}}"#,
    );
    home.write("state/vm/config.raw", r#"{"secret":"hunter4"}"#);
    home.write("state/log/daemon.log", "ready\nPASSWORD=hunter5\n");
    home.write("state/log/vm.log", "console\n");
    let mut script = Script::new(&home.state());
    script.status.degraded = vec!["cannot reach http://me:hunter6@proxy/".into()];
    let _daemon = FakeDaemon::start(&home.state(), script);
    home.coracle(&["diagnose", "-o", "d.tar"]).expect(0);
    let raw = std::fs::read(home.path("d.tar")).unwrap();
    assert!(!String::from_utf8_lossy(&raw).contains("hunter"));

    let files = unpack(&home, "d.tar");
    assert_eq!(files["log/daemon.log"], "ready\nPASSWORD=[removed]\n");
    assert_eq!(files["log/vm.log"], "console\n");
    let settings: Value = serde_json::from_str(&files["settings.json"]).unwrap();
    assert_eq!(settings["vm"]["cpus"], 2);
    let status: Value = serde_json::from_str(&files["status.json"]).unwrap();
    assert_eq!(status["vm"]["state"], "running");
    assert!(files["state-folder.txt"].contains("config.raw"));
    assert!(files["probes/uname.txt"].contains("uname"));
    for probe in [
        "os-release",
        "qemu",
        "virtiofsd",
        "docker",
        "kvm",
        "disk-space",
    ] {
        assert!(!files[&format!("probes/{probe}.txt")].is_empty(), "{probe}");
    }
}

#[test]
fn it_works_without_anything() {
    let home = Home::new();
    let file = home.coracle(&["diagnose", "--json"]).expect(0).json();
    let files = unpack(&home, file["file"].as_str().unwrap());
    let status: Value = serde_json::from_str(&files["status.json"]).unwrap();
    assert_eq!(status["error"]["code"], "daemon-unreachable");
    assert!(files["version.json"].contains(env!("CARGO_PKG_VERSION")));
    home.coracle(&["diagnose", "-o", "no/such/folder.tar"])
        .expect(10);
}
