//! The engine's containers, as far as their mounts matter.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use coracle_engine_client::{self as engine, Events, Failure};
use coracle_guest_api::mux::Opener;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::platform::Watcher;
use crate::roots::{self, Share};

/// How long the engine may take for a list.
const ANSWER: Duration = Duration::from_secs(30);

/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Containers that run or are about to.
pub(crate) type Containers = Arc<[Container]>;

/// One of the engine's list. Nothing in it is believed: the guest may have made it up.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Container {
    pub(crate) id: String,
    names: Option<Vec<String>>,
    pub(crate) state: String,
    labels: Option<BTreeMap<String, String>>,
    mounts: Option<Vec<Mount>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mount {
    r#type: String,
    source: PathBuf,
    destination: PathBuf,
}

impl Container {
    /// As people know it.
    pub(crate) fn name(&self) -> &str {
        let first = self.names.as_deref().and_then(<[_]>::first);
        first.map_or(&self.id, |name| name.trim_start_matches('/'))
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        Some(self.labels.as_ref()?.get(name)?)
    }

    fn bind_mounts(&self) -> impl Iterator<Item = &Mount> {
        let mounts = self.mounts.as_deref().unwrap_or_default();
        mounts.iter().filter(|mount| mount.r#type == "bind")
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = PathBuf> {
        self.bind_mounts().map(|mount| mount.source.clone())
    }

    /// Where the container has this path of the host, which has no symbolic links; more than once if
    /// it mounts it more than once.
    pub(crate) fn places(&self, path: &Path) -> Vec<PathBuf> {
        let place = |mount: &Mount| {
            let source = mount.source.canonicalize().ok()?;
            let rest = path.strip_prefix(source).ok()?;
            Some(match rest.as_os_str().is_empty() {
                true => mount.destination.clone(),
                false => mount.destination.join(rest),
            })
        };
        self.bind_mounts().filter_map(place).collect()
    }

    /// Whether it mounts something below this path of the host, or that path.
    pub(crate) fn mounts_below(&self, path: &Path) -> bool {
        let below = |mount: &Mount| {
            let source = mount.source.canonicalize();
            source.is_ok_and(|source| source.starts_with(path))
        };
        self.bind_mounts().any(below)
    }
}

/// Keeps the watcher to what is mounted, and `known` to who mounts it, for ever. Swarm's tasks are
/// containers too.
pub(crate) async fn follow(
    opener: &Opener,
    shares: &[Arc<Share>],
    watcher: &Watcher,
    known: &watch::Sender<Containers>,
) {
    loop {
        let Err(error) = watch(opener, shares, watcher, known).await;
        tracing::debug!(%error, "the containers' mounts are not known");
        sleep(PAUSE).await;
    }
}

async fn watch(
    opener: &Opener,
    shares: &[Arc<Share>],
    watcher: &Watcher,
    known: &watch::Sender<Containers>,
) -> Result<Infallible, Failure> {
    let filters = json!({
        "type": ["container"],
        "event": ["create", "start", "die", "destroy", "rename"],
    });
    let mut events = Events::open(opener, &filters).await?;
    // What happened before this began is not known: the guest is to look at everything once.
    let mut lost = true;
    loop {
        let containers = timeout(ANSWER, list(opener)).await??;
        let sources: Vec<_> = containers.iter().flat_map(Container::sources).collect();
        known.send_replace(containers.into());
        let roots = roots::of_sources(&sources, shares);
        tracing::debug!(?roots, "watching");
        watcher.watch(roots, std::mem::take(&mut lost)).await;
        events.next().await?;
        events.skip();
    }
}

/// A container is created just before it is started, and what it does first may be to watch.
async fn list(opener: &Opener) -> Result<Vec<Container>, Failure> {
    let status = json!({ "status": ["created", "running", "restarting", "paused"] });
    let query = engine::query_value(&status.to_string());
    let list = engine::get(opener, &format!("/containers/json?filters={query}")).await?;
    Ok(list.ok_or("the engine lists no containers")?)
}

/// The list's text.
pub(crate) fn parse(text: &[u8]) -> serde_json::Result<Vec<Container>> {
    serde_json::from_slice(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<Container> {
        super::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn bind_mounts_alone_are_watched() {
        let containers = parse(
            r#"[{"Id":"a","Mounts":[
            {"Type":"bind","Source":"/home/me/app","Destination":"/app","RW":false},
            {"Type":"volume","Name":"v","Source":"/var/lib/docker/volumes/v/_data"},
            {"Type":"tmpfs","Source":"","Destination":"/t"}]},
            {"Id":"b","Mounts":null},{"Id":"c"}]"#,
        );
        let sources: Vec<_> = containers.iter().flat_map(Container::sources).collect();
        assert_eq!(sources, [PathBuf::from("/home/me/app")]);
    }

    #[test]
    fn a_path_is_found_wherever_it_is_mounted() {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().canonicalize().unwrap();
        std::fs::create_dir(host.join("src")).unwrap();
        let text = format!(
            r#"[{{"Id":"a","Names":["/web"],"Mounts":[
            {{"Type":"bind","Source":"{0}","Destination":"/app"}},
            {{"Type":"bind","Source":"{0}/src","Destination":"/src"}}]}}]"#,
            host.display()
        );
        let containers = parse(&text);
        let [web] = &containers[..] else {
            panic!("{containers:?}")
        };
        assert_eq!(web.name(), "web");
        let expected = ["/app/src/a.py", "/src/a.py"].map(PathBuf::from);
        assert_eq!(web.places(&host.join("src/a.py")), expected);
        assert_eq!(web.places(&host), [PathBuf::from("/app")]);
        assert!(web.places(Path::new("/elsewhere")).is_empty());
        assert!(web.mounts_below(&host) && !web.mounts_below(&host.join("src/deep")));
    }
}
