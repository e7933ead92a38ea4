use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::engine::EngineAnswer;
use crate::error::DebugErrorKind;

/// An engine that knows these paths.
#[derive(Default)]
struct Known(HashMap<String, Value>);

impl Known {
    /// A container, running or not, that its name and its id lead to.
    fn with_container(mut self, name: &str, running: bool, labels: Value) -> Self {
        let status = if running { "running" } else { "exited" };
        let details = json!({
            "Id": format!("{name}-id"), "Name": format!("/{name}"),
            "State": { "Running": running, "Status": status, "Pid": if running { 42 } else { 0 } },
            "Mounts": [
                { "Type": "bind", "Source": "/home/me/app", "Destination": "/app" },
                { "Type": "volume", "Name": "data", "Source": "/var/lib", "Destination": "/data" },
            ],
            "Config": { "WorkingDir": "/app", "Labels": labels },
        });
        for key in [name.to_owned(), format!("{name}-id")] {
            self.0
                .insert(format!("/containers/{key}/json"), details.clone());
        }
        self
    }

    /// What runs with a label.
    fn with_list(mut self, label: &str, listed: Value) -> Self {
        let filter = format!("%7B%22label%22%3A%5B%22{label}%22%5D%7D");
        self.0
            .insert(format!("/containers/json?filters={filter}"), listed);
        self
    }
}

#[async_trait]
impl Engine for Known {
    async fn ask(&self, method: &str, path: &str) -> Result<EngineAnswer, String> {
        assert_eq!(method, "GET");
        let known = self.0.get(path);
        Ok(EngineAnswer {
            status: if known.is_some() { 200 } else { 404 },
            body: known.map(Value::to_string).unwrap_or_default().into(),
        })
    }
}

#[tokio::test]
async fn a_container_is_found_by_its_name() {
    let engine = Known::default().with_container("web", true, Value::Null);
    let found = find(&engine, "web").await.unwrap();
    assert_eq!((found.id.as_str(), found.init), ("web-id", 42));
    assert_eq!(found.binds, [("/home/me/app".into(), "/app".into())]);
    assert_eq!(found.service, None);
}

#[tokio::test]
async fn services_of_compose_and_swarm_lead_to_a_container() {
    let compose = json!({
        "com.docker.compose.service": "vote",
        "com.docker.compose.project.working_dir": "/home/me/app",
    });
    let engine = Known::default()
        .with_container("app-vote-1", true, compose)
        .with_list(
            "com.docker.compose.service%3Dvote",
            json!([{ "Id": "app-vote-1-id", "Names": ["/app-vote-1"] }]),
        );
    let found = find(&engine, "vote").await.unwrap();
    assert_eq!(found.name, "app-vote-1");
    assert_eq!(found.service, Some(("vote".into(), "/home/me/app".into())));

    let engine = Known::default()
        .with_container("stack_web.1.x", true, json!({}))
        .with_list(
            "com.docker.swarm.service.name%3Dstack_web",
            json!([{ "Id": "stack_web.1.x-id" }]),
        );
    let found = find(&engine, "stack_web").await.unwrap();
    assert_eq!(found.name, "stack_web.1.x");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_the_remedy() {
    let of_project = |name: &str| {
        json!({
            "Id": name, "Names": [format!("/{name}-web-1")],
            "Labels": { "com.docker.compose.project": name },
        })
    };
    let engine = Known::default()
        .with_container("old", false, json!({}))
        .with_list(
            "com.docker.compose.service%3Dweb",
            json!([of_project("one"), of_project("two")]),
        );
    for (target, kind, said) in [
        ("old", DebugErrorKind::Refused, "`docker start old`"),
        ("web", DebugErrorKind::Wrong, "one-web-1, two-web-1"),
        ("none", DebugErrorKind::Wrong, "`docker ps`"),
        ("a/../b", DebugErrorKind::Wrong, "is no name"),
        ("", DebugErrorKind::Wrong, "is no name"),
    ] {
        let error = find(&engine, target).await.unwrap_err();
        assert_eq!(error.kind, kind, "{target}");
        assert!(error.message.contains(said), "{error}");
    }
}
