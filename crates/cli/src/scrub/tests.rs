use super::*;
use serde_json::json;

#[test]
fn secrets_go_and_the_rest_stays() {
    for (before, after) in [
        (
            "level=info msg=ready port=8080",
            "level=info msg=ready port=8080",
        ),
        (
            "proxy is http://me:hunter2@proxy:3128/",
            "proxy is http://[removed]@proxy:3128/",
        ),
        (
            "http_proxy=me:p@ss@proxy:3128",
            "http_proxy=[removed]@proxy:3128",
        ),
        ("Authorization: Bearer abc.def", "Authorization: [removed]"),
        ("X-Registry-Auth: eyJ1c2Vy", "X-Registry-Auth: [removed]"),
        (
            r#"{"Password":"a\"b c","user":"me"}"#,
            r#"{"Password":"[removed]","user":"me"}"#,
        ),
        (
            r#"msg="body {\"token\":\"abc\",\"n\":1}""#,
            r#"msg="body {\"token\":\"[removed]\",\"n\":1}""#,
        ),
        (r#"{"auth": "dXNlcg=="}"#, r#"{"auth": "[removed]"}"#),
        (
            "POSTGRES_PASSWORD=s3cret,x=1",
            "POSTGRES_PASSWORD=[removed],x=1",
        ),
        (
            "docker swarm join --token SWMTKN-1-0ab-1cd h:2377",
            "docker swarm join --token [removed] h:2377",
        ),
        (
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb",
            "a\n[removed]\nb",
        ),
        ("run --password abc -x", "run --password [removed] -x"),
        ("author: somebody", "author: somebody"),
    ] {
        assert_eq!(text(before), after);
    }
}

#[test]
fn settings_lose_values_by_their_keys() {
    let mut value = json!({
        "vm": { "cpus": 2 },
        "registry.token": "abc",
        "auths": { "r": { "x": "y" } },
        "engine": { "proxy": "me:pw@proxy:3128", "https_proxy": "http://me:pw@proxy" },
        "list": [{ "key": "api_key", "value": "k", "default": null }],
        "note": "password=abc",
    });
    json(&mut value);
    let expected = json!({
        "vm": { "cpus": 2 },
        "registry.token": "[removed]",
        "auths": "[removed]",
        "engine": { "proxy": "[removed]@proxy:3128", "https_proxy": "http://[removed]@proxy" },
        "list": [{ "key": "api_key", "value": "[removed]", "default": "[removed]" }],
        "note": "password=[removed]",
    });
    assert_eq!(value, expected);
}
