use super::*;
use std::collections::HashMap;

/// A host whose `/home` is a link, as on systems with a read-only root.
const LINKS: [(&str, &str); 9] = [
    ("/home", "var/home"),
    ("/var/home/me/out", "/etc"),
    ("/var/home/me/up", "../../.."),
    ("/var/home/me/in", "project/src"),
    ("/var/home/me/old", "/home/me/project"),
    ("/var/home/me/new", "/srv/code/new"),
    ("/var/home/me/dangling", "/etc/later"),
    ("/var/home/me/loop", "loop"),
    ("/tmp/sock", "/run/user/1/coracle/docker.sock"),
];

fn policy() -> MountPolicy {
    MountPolicy {
        shares: vec!["/home/me".into(), "/srv/code/".into()],
        private: vec!["/home/me/.coracle".into()],
        engine_sockets: vec![
            "/home/me/.coracle/run/docker.sock".into(),
            "/run/user/1/coracle/docker.sock".into(),
        ],
    }
}

fn judge(route: Route, body: &str, policy: &MountPolicy) -> Verdict {
    let links: HashMap<PathBuf, PathBuf> = LINKS
        .iter()
        .map(|(link, target)| (link.into(), target.into()))
        .collect();
    check_with(route, body.as_bytes(), policy, &|path| {
        // The system follows the links on the way to the one that is read.
        let below_home = path
            .strip_prefix("/home")
            .ok()
            .filter(|rest| *rest != Path::new(""));
        match below_home {
            Some(rest) => links.get(&Path::new("/var/home").join(rest)).cloned(),
            None => links.get(path).cloned(),
        }
    })
}

/// What becomes of a bind's source.
fn bind_under(source: &str, policy: &MountPolicy) -> Result<String, String> {
    let body = serde_json::json!({"HostConfig": {"Binds": [format!("{source}:/in:ro")]}});
    match judge(Route::ContainerCreate, &body.to_string(), policy) {
        Verdict::Pass => Ok(source.to_owned()),
        Verdict::Refuse(message) => Err(message),
        Verdict::Rewrite(body) => {
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let bind = body["HostConfig"]["Binds"][0].as_str().unwrap().to_owned();
            Ok(bind.strip_suffix(":/in:ro").unwrap().to_owned())
        }
    }
}

fn bind(source: &str) -> Result<String, String> {
    bind_under(source, &policy())
}

#[test]
fn what_is_shared_is_mounted_as_written() {
    for source in [
        "/home/me",
        "/home/me/",
        "/home/me/project",
        "/home/me/not/there/yet",
        "/home/me/./a/../b",
        "/home//me/a",
        "/srv/code/x",
        "/home/me/in",
        "/home/me/old",
        "/home/me/new",
        "name",
        "a.volume-name",
        "./relative",
        "~/home",
    ] {
        assert_eq!(bind(source).as_deref(), Ok(source));
    }
}

#[test]
fn another_way_to_a_shared_place_names_the_place_itself() {
    assert_eq!(
        bind("/var/home/me/project").as_deref(),
        Ok("/home/me/project")
    );
    // The guest has the resolved share only, so it lacks the link that `old` leads through.
    let resolved = MountPolicy {
        shares: vec!["/var/home/me".into()],
        ..MountPolicy::default()
    };
    for (written, place) in [
        ("/home/me/project", "/var/home/me/project"),
        ("/home/me", "/var/home/me"),
        ("/var/home/me/old/a", "/var/home/me/project/a"),
        ("/var/home/me/in", "/var/home/me/in"),
    ] {
        assert_eq!(bind_under(written, &resolved).as_deref(), Ok(place));
    }
}

#[test]
fn what_is_outside_is_refused_with_folder_and_remedy() {
    for source in [
        "/",
        "/etc",
        "/etc/passwd",
        "/home",
        "/home/you",
        "/home/me2",
        "/home/me/../you",
        "/srv",
        "/run/user/1/keyring",
        "/var/lib/dockerish",
    ] {
        let message = bind(source).unwrap_err();
        let start = format!("mount denied: {source} is not in a folder shared with the VM;");
        assert!(message.starts_with(&start), "{message}");
        assert!(
            message.contains("`coracle config set shares /home/me /srv/code /"),
            "{message}"
        );
    }
}

#[test]
fn links_that_lead_out_are_refused_with_their_target() {
    for (source, target) in [
        ("/home/me/out", "/etc"),
        ("/home/me/out/ssh", "/etc/ssh"),
        ("/home/me/up/usr", "/usr"),
        ("/home/me/dangling", "/etc/later"),
    ] {
        let message = bind(source).unwrap_err();
        assert!(
            message.contains(&format!("symbolic link to {target}, which is not")),
            "{message}"
        );
    }
    assert!(
        bind("/home/me/loop")
            .unwrap_err()
            .contains("back to itself")
    );
}

#[test]
fn coracles_own_state_is_refused_by_every_way() {
    for source in [
        "/home/me/.coracle",
        "/home/me/.coracle/disks",
        "/home/me/a/../.coracle",
        "/var/home/me/.coracle",
    ] {
        let message = bind(source).unwrap_err();
        assert!(message.contains("belongs to coracle itself"), "{message}");
    }
}

#[test]
fn the_engine_socket_is_the_engines_own() {
    for source in [
        "/var/run/docker.sock",
        "/var/run/../run/docker.sock",
        "/run/docker.sock",
        "/home/me/.coracle/run/docker.sock",
        "/run/user/1/coracle/docker.sock",
        "/tmp/sock",
    ] {
        assert_eq!(bind(source).as_deref(), Ok("/run/docker.sock"), "{source}");
    }
}

#[test]
fn paths_of_the_system_are_the_vms_own() {
    for source in [
        "/sys/fs/cgroup",
        "/proc",
        "/dev/fuse",
        "/lib/modules",
        "/var/lib/docker/volumes",
        "/etc/localtime",
        "/var/run",
    ] {
        assert_eq!(bind(source).as_deref(), Ok(source));
    }
    assert!(bind("/etc/localtime/x").is_err());
}

#[test]
fn every_place_that_names_a_source_is_checked() {
    let refused = [
        (
            Route::ContainerCreate,
            r#"{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/etc","Target":"/e","BindOptions":{"CreateMountpoint":true}}]}}"#,
        ),
        (
            Route::ContainerCreate,
            r#"{"HostConfig":{"Mounts":[{"Type":"volume","Target":"/e","VolumeOptions":{"DriverConfig":{"Name":"local","Options":{"type":"none","o":"ro,bind","device":"/etc"}}}}]}}"#,
        ),
        // As the engine reads it: names without regard to case, all of several.
        (
            Route::ContainerCreate,
            r#"{"hostconfig":{"binds":["/etc:/e"]}}"#,
        ),
        (
            Route::ContainerCreate,
            r#"{"HostConfig":{"Binds":["/etc:/e"]},"HostConfig":{}}"#,
        ),
        (
            Route::ContainerCreate,
            "{\"HostConfig\":{\"Binds\":[\"\\u002fetc:/e\"]}} trailing",
        ),
        (
            Route::Service,
            r#"{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/etc"}]}}}"#,
        ),
        (
            Route::VolumeCreate,
            r#"{"Name":"v","Driver":"local","DriverOpts":{"type":"none","o":"bind","device":"/etc"}}"#,
        ),
        (
            Route::VolumeCreate,
            r#"{"DriverOpts":{"o":"rbind","device":"/etc"}}"#,
        ),
    ];
    for (route, body) in refused {
        let Verdict::Refuse(message) = judge(route, body, &policy()) else {
            panic!("{body} passes");
        };
        assert!(message.contains("/etc is not in"), "{message}");
    }
}

#[test]
fn the_rest_passes_untouched() {
    for (route, body) in [
        (Route::ContainerCreate, ""),
        (Route::ContainerCreate, "not json"),
        (Route::ContainerCreate, "[]"),
        (Route::ContainerCreate, "{\"HostConfig\":null}"),
        (
            Route::ContainerCreate,
            r#"{"HostConfig":{"Binds":null,"Mounts":7}}"#,
        ),
        (
            Route::ContainerCreate,
            r#"{"HostConfig":{"Binds":[1,"/anonymous","v:/x"]}}"#,
        ),
        (
            Route::ContainerCreate,
            r#"{"HostConfig":{"Mounts":[{"Type":"tmpfs","Source":"/etc"},{"Type":"volume","Source":"v"}]}}"#,
        ),
        (
            Route::VolumeCreate,
            r#"{"Driver":"other","DriverOpts":{"o":"bind","device":"/etc"}}"#,
        ),
        (
            Route::VolumeCreate,
            r#"{"DriverOpts":{"type":"nfs","o":"addr=10.0.0.1","device":":/export"}}"#,
        ),
        (
            Route::VolumeCreate,
            r#"{"ClusterVolumeSpec":{"AccessMode":{}},"DriverOpts":{}}"#,
        ),
    ] {
        assert_eq!(judge(route, body, &policy()), Verdict::Pass, "{body}");
    }
}

#[test]
fn a_rewrite_touches_only_the_paths() {
    let body = r#" {"z":1.0, "HostConfig" : {"Mounts":[{"Source":"/var/run/docker.sock","Type":"bind"}],
        "Binds":["/home/me:/a", "\/var\/run\/docker.sock:/s:ro"], "n":123456789012345678901234567890}} "#;
    let expected = body
        .replace("/var/run/docker.sock", "/run/docker.sock")
        .replace("\\/var\\/run\\/docker.sock", "/run/docker.sock");
    let Verdict::Rewrite(changed) = judge(Route::ContainerCreate, body, &policy()) else {
        panic!("not rewritten");
    };
    assert_eq!(String::from_utf8(changed).unwrap(), expected);
}

#[test]
fn the_hosts_own_links_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let share = folder.path().join("share");
    std::fs::create_dir(&share).unwrap();
    std::os::unix::fs::symlink("/etc", share.join("out")).unwrap();
    let policy = MountPolicy {
        shares: vec![share.clone()],
        ..MountPolicy::default()
    };
    let verdict = |source: PathBuf| {
        let bind = format!("{}:/in", source.display());
        let body = serde_json::json!({"HostConfig": {"Binds": [bind]}});
        check(Route::ContainerCreate, body.to_string().as_bytes(), &policy)
    };
    assert_eq!(verdict(share.join("a")), Verdict::Pass);
    assert!(matches!(verdict(share.join("out")), Verdict::Refuse(_)));
}
