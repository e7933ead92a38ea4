//! The engine's containers, as far as their mounts matter.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::future::pending;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use coracle_engine_client::{self as engine, Events, Failure};
use coracle_guest_api::mux::Opener;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

use crate::platform::Watcher;
use crate::roots::{self, Share};

/// Labels that name a container's service.
const SERVICES: [&str; 2] = [
    "com.docker.compose.service",
    "com.docker.swarm.service.name",
];

/// How long the engine may take for a list.
const ANSWER: Duration = Duration::from_secs(30);

/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// A container that is restarted is not listed for a moment: so long it counts as one that does not
/// run, and its folders stay watched.
const AWAY: Duration = Duration::from_secs(30);

/// What the guest says of containers that are away is kept up to this length, in bytes: the last ones.
const AWAY_LENGTH: usize = 1 << 20;

/// Containers that run or are about to, and those that did until a moment ago, which have no state.
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
    network_settings: Option<NetworkSettings>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Option<Network>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Network {
    #[serde(rename = "IPAddress")]
    ipv4: String,
    #[serde(rename = "GlobalIPv6Address")]
    ipv6: String,
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

    /// Of compose or of swarm.
    pub(crate) fn service(&self) -> Option<&str> {
        SERVICES.iter().find_map(|label| self.label(label))
    }

    /// In its networks.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let settings = self.network_settings.as_ref();
        let networks = settings.and_then(|settings| settings.networks.as_ref());
        let networks = networks.into_iter().flat_map(BTreeMap::values).flatten();
        let texts = networks.flat_map(|network| [&network.ipv4, &network.ipv6]);
        texts.filter_map(|text| text.parse().ok()).collect()
    }

    /// Whether it has anything of the host.
    pub(crate) fn mounts_anything(&self) -> bool {
        self.bind_mounts().next().is_some()
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

    /// Of the strings in it, in bytes.
    fn length(&self) -> usize {
        let of = |text: &Option<Vec<String>>| text.iter().flatten().map(String::len).sum::<usize>();
        let labels = self.labels.iter().flatten();
        let mounts = self.mounts.iter().flatten();
        let networks = self
            .network_settings
            .iter()
            .flat_map(|settings| &settings.networks);
        let path = |path: &PathBuf| path.as_os_str().len();
        size_of::<Self>()
            + self.id.len()
            + of(&self.names)
            + labels
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>()
            + mounts
                .map(|one| size_of::<Mount>() + path(&one.source) + path(&one.destination))
                .sum::<usize>()
            + networks
                .flatten()
                .map(|(name, _)| size_of::<Network>() + name.len())
                .sum::<usize>()
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
    let mut away = Away::default();
    loop {
        let mut containers = timeout(ANSWER, list(opener)).await??;
        let until = away.add_to(&mut containers, Instant::now());
        let sources: Vec<_> = containers.iter().flat_map(Container::sources).collect();
        known.send_replace(containers.into());
        let roots = roots::of_sources(&sources, shares);
        tracing::debug!(?roots, "watching");
        watcher.watch(roots, std::mem::take(&mut lost)).await;
        let returned = async {
            match until {
                Some(until) => sleep_until(until.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            come = events.next() => come?,
            () = returned => {}
        }
        events.skip();
    }
}

/// Containers that are listed no more.
#[derive(Default)]
struct Away {
    listed: Vec<Container>,
    gone: Vec<(Container, Instant)>,
}

impl Away {
    /// Adds those that vanished less than [`AWAY`] ago to a new list; when the first of them is to go.
    fn add_to(&mut self, list: &mut Vec<Container>, now: Instant) -> Option<Instant> {
        let ids: HashSet<_> = list.iter().map(|one| one.id.clone()).collect();
        for mut one in std::mem::replace(&mut self.listed, list.clone()) {
            if one.mounts_anything() {
                one.state.clear();
                self.gone.push((one, now + AWAY));
            }
        }
        self.gone
            .retain(|(one, until)| !ids.contains(&one.id) && *until > now);
        let mut length = 0;
        let kept = self.gone.iter().rev().take_while(|(one, _)| {
            length += one.length();
            length <= AWAY_LENGTH
        });
        self.gone.drain(..self.gone.len() - kept.count());
        list.extend(self.gone.iter().map(|(one, _)| one.clone()));
        self.gone.iter().map(|(_, until)| *until).min()
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
    fn who_restarts_is_away_for_a_while() {
        let mounts = r#""State":"running","Mounts":[{"Type":"bind","Source":"/h"}]"#;
        let [a, b] = ["a", "b"].map(|id| parse(&format!(r#"[{{"Id":"{id}",{mounts}}}]"#)));
        let (mut away, start) = (Away::default(), Instant::now());
        let mut listed = |list: &[Container], seconds| {
            let mut list = list.to_vec();
            let until = away.add_to(&mut list, start + Duration::from_secs(seconds));
            let states = list.into_iter().map(|one| (one.id, one.state));
            (states.collect::<Vec<_>>(), until)
        };
        let of = |id: &str, state: &str| (id.to_owned(), state.to_owned());
        assert_eq!(listed(&a, 0), (vec![of("a", "running")], None));
        let until = Some(start + Duration::from_secs(1) + AWAY);
        let both = vec![of("b", "running"), of("a", "")];
        assert_eq!(listed(&b, 1), (both.clone(), until));
        assert_eq!(listed(&b, 2), (both, until));
        let back = [a.clone(), b.clone()].concat();
        let running = vec![of("a", "running"), of("b", "running")];
        assert_eq!(listed(&back, 3), (running, None));
        listed(&b, 4);
        assert_eq!(listed(&b, 4 + AWAY.as_secs()).0, [of("b", "running")]);
        // Who mounts nothing is of no interest, and one that says very much of itself is not kept.
        let much = "x".repeat(AWAY_LENGTH);
        let nobody = parse(r#"[{"Id":"c","State":"running"}]"#);
        let long = parse(&format!(r#"[{{"Id":"{much}",{mounts}}}]"#));
        listed(&[nobody, long].concat(), 100);
        assert_eq!(listed(&a, 101).0, [of("a", "running")]);
    }

    #[test]
    fn services_and_addresses_are_what_the_engine_says() {
        let containers = parse(
            r#"[{"Id":"a","Labels":{"com.docker.compose.service":"web"},
            "NetworkSettings":{"Networks":{"x":{"IPAddress":"172.18.0.2","GlobalIPv6Address":""},
            "y":{"IPAddress":"nonsense","GlobalIPv6Address":"fd00::2"},"z":null}}},
            {"Id":"b","NetworkSettings":{"Networks":null}}]"#,
        );
        assert_eq!(containers[0].service(), Some("web"));
        let expected: [IpAddr; 2] = ["172.18.0.2", "fd00::2"].map(|text| text.parse().unwrap());
        assert_eq!(containers[0].addresses(), expected);
        assert!(containers[1].service().is_none() && containers[1].addresses().is_empty());
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
