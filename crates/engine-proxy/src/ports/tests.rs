use super::*;

fn filled(body: &str, exposed: &[&str]) -> Option<String> {
    let exposed: Vec<_> = exposed.iter().map(|port| (*port).to_owned()).collect();
    let changed = fill(body.as_bytes(), "127.0.0.1".parse().unwrap(), &exposed)?;
    Some(String::from_utf8(changed).unwrap())
}

#[test]
fn only_what_names_no_address_is_given_one() {
    for (bindings, expected) in [
        // As the docker CLI and compose send them.
        (
            r#"{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}"#,
            r#"{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}"#,
        ),
        (
            r#"{"80/tcp":[{"HostPort":"8080"},{"HostIp":"::","HostPort":"81"}]}"#,
            r#"{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"},{"HostIp":"::","HostPort":"81"}]}"#,
        ),
        (
            r#"{"80/tcp":[{"hostip": null }],"53/udp":[{}]}"#,
            r#"{"80/tcp":[{"hostip": "127.0.0.1" }],"53/udp":[{"HostIp":"127.0.0.1"}]}"#,
        ),
        (
            r#"{"80/tcp":[{"HostIp":"localhost"}],"81/tcp":[null]}"#,
            r#"{"80/tcp":[{"HostIp":"127.0.0.1"}],"81/tcp":[{"HostIp":"127.0.0.1"}]}"#,
        ),
        (
            r#"{"80/tcp":[],"81/tcp":null}"#,
            r#"{"80/tcp":[{"HostIp":"127.0.0.1"}],"81/tcp":[{"HostIp":"127.0.0.1"}]}"#,
        ),
    ] {
        let body =
            |bindings| format!(r#"{{"Image":"x","HostConfig":{{"PortBindings":{bindings}}}}}"#);
        assert_eq!(filled(&body(bindings), &[]), Some(body(expected)));
    }
}

#[test]
fn the_rest_is_left_to_the_client() {
    for body in [
        r#"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}}}"#,
        r#"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"::1"}]}}}"#,
        r#"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":7}],"81/tcp":"x"}}}"#,
        r#"{"HostConfig":{"PortBindings":{},"PublishAllPorts":false},"ExposedPorts":{"80/tcp":{}}}"#,
        r#"{"HostConfig":{"PortBindings":null}}"#,
        r#"{"HostConfig":null}"#,
        "[]",
        "no JSON",
    ] {
        assert_eq!(filled(body, &["80/tcp"]), None, "{body}");
    }
}

#[test]
fn all_ports_of_container_and_image_get_an_entry() {
    let list = r#"[{"HostIp":"127.0.0.1"}]"#;
    for (before, after) in [
        (
            r#"{"PublishAllPorts":true}"#,
            r#"{"PortBindings":{"80/tcp":#,"90/tcp":#},"PublishAllPorts":true}"#,
        ),
        (
            r#"{"PublishAllPorts":true,"PortBindings":null}"#,
            r#"{"PublishAllPorts":true,"PortBindings":{"80/tcp":#,"90/tcp":#}}"#,
        ),
        (
            r#"{"PublishAllPorts":true,"PortBindings":{}}"#,
            r#"{"PublishAllPorts":true,"PortBindings":{"80/tcp":#,"90/tcp":#}}"#,
        ),
        (
            r#"{"PublishAllPorts":true,"PortBindings":{"80/tcp":[{"HostIp":"::","HostPort":"1"}]}}"#,
            r#"{"PublishAllPorts":true,"PortBindings":{"90/tcp":#,"80/tcp":[{"HostIp":"::","HostPort":"1"}]}}"#,
        ),
    ] {
        let body =
            |host: &str| format!(r#"{{"ExposedPorts":{{"80/tcp":{{}}}},"HostConfig":{host}}}"#);
        let changed = filled(&body(before), &["90/tcp", "80/tcp"]);
        assert_eq!(changed, Some(body(&after.replace('#', list))));
    }
}

#[test]
fn what_the_engine_will_refuse_stays_json() {
    let body =
        r#"{"ExposedPorts":{"80/tcp":{}},"HostConfig":{"PublishAllPorts":true},"HostConfig":7}"#;
    let changed = filled(body, &[]).unwrap();
    assert!(
        serde_json::from_str::<&RawValue>(&changed).is_ok(),
        "{changed}"
    );
    assert_eq!(filled(&changed, &[]), None);
}

#[test]
fn the_image_is_asked_for_its_ports_only_when_all_are_published() {
    let image = |all: &str| {
        let body = format!(r#"{{"Image":"x:1","HostConfig":{{"PublishAllPorts":{all}}}}}"#);
        image_to_publish(body.as_bytes())
    };
    assert_eq!(image("true"), Some("x:1".into()));
    assert_eq!(image("false"), None);
    assert_eq!(image("null"), None);
    assert_eq!(
        in_path("r.test:5/a b?c@sha256:1"),
        "r.test:5/a%20b%3Fc@sha256:1"
    );
}
