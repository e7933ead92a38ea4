//! What becomes of saved files in containers that do not watch by themselves: their labels say it.

mod act;
mod rule;

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coracle_engine_client::Failure;
use coracle_guest_api::mux::Opener;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::Problems;
use crate::containers::{Container, Containers};
use crate::saved::Saved;
use crate::steps::{Delivered, Mounting, Reloaded, Step};
use rule::{Action, Rule};

/// A burst of saves is one change: it has ended when nothing came for so long.
const QUIET: Duration = Duration::from_millis(100);

/// A burst that does not end is acted on all the same.
const LONGEST: Duration = Duration::from_secs(1);

/// Acts on what is saved, for ever.
pub(crate) async fn follow(
    opener: &Opener,
    mut known: watch::Receiver<Containers>,
    mut saved: broadcast::Receiver<Saved>,
    problems: &watch::Sender<Problems>,
    steps: &broadcast::Sender<Step>,
) {
    let mut reloads = Reloads {
        opener: opener.clone(),
        steps: steps.clone(),
        containers: Containers::default(),
        rules: Vec::new(),
        due: HashMap::new(),
        acting: HashSet::new(),
        acts: JoinSet::new(),
    };
    loop {
        let next = reloads.next();
        let due = async {
            match next {
                Some(at) => sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            // Who mounts a file is known before it is saved.
            biased;
            Ok(()) = known.changed() => {
                let containers = known.borrow_and_update().clone();
                reloads.learn(containers, problems);
            }
            come = saved.recv() => match come {
                Ok(saved) => reloads.note(&saved),
                Err(RecvError::Lagged(_)) => reloads.note_all(),
                Err(RecvError::Closed) => return,
            },
            Some(ended) = reloads.acts.join_next() => reloads.ended(ended.ok()),
            () = due => reloads.act(),
        }
    }
}

/// Whether a container has a label that can be followed.
pub(crate) fn is_wanted(container: &Container) -> bool {
    matches!(Rule::of(container), Some(Ok(_)))
}

/// What the labels of containers that the guest lists would do.
pub(crate) fn fuzzing(containers: &[Container], changed: &Path) {
    for container in containers {
        if let Some(Ok(rule)) = Rule::of(container) {
            for place in container.places(changed) {
                rule.concerns(&place);
            }
            if let Action::Signal(name) = &rule.action {
                // It goes into a request's path.
                assert!(
                    name.bytes().all(|byte| byte.is_ascii_graphic())
                        && !name.contains(['&', '#', '?'])
                );
            }
        }
    }
}

struct Reloads {
    opener: Opener,
    steps: broadcast::Sender<Step>,
    containers: Containers,
    rules: Vec<(Container, Arc<Rule>)>,
    /// By the container's id.
    due: HashMap<String, Due>,
    acting: HashSet<String>,
    acts: JoinSet<Done>,
}

/// A change that is to be acted on.
#[derive(Clone, Copy)]
struct Due {
    /// The first save.
    save: Option<u64>,
    /// When the host's watcher saw the first save.
    seen: Instant,
    first: Instant,
    last: Instant,
}

impl Due {
    fn at(&self) -> Instant {
        (self.last + QUIET).min(self.first + LONGEST)
    }
}

struct Done {
    save: Option<u64>,
    id: String,
    name: String,
    action: Action,
    seen: Instant,
    outcome: Result<(), Failure>,
}

impl Reloads {
    fn learn(&mut self, containers: Containers, problems: &watch::Sender<Problems>) {
        let mut wrong = Vec::new();
        self.rules.clear();
        for container in containers.iter() {
            match Rule::of(container) {
                None => {}
                Some(Ok(rule)) => self.rules.push((container.clone(), Arc::new(rule))),
                // It has ended, and nothing is to be mended.
                Some(Err(_)) if container.state.is_empty() => {}
                Some(Err(why)) => {
                    let name = container.name();
                    wrong.push(format!("The container {name} is not reloaded: {why}."));
                }
            }
        }
        let ids: HashSet<_> = containers.iter().map(|one| &one.id).collect();
        self.due.retain(|id, _| ids.contains(id));
        self.containers = containers.clone();
        problems.send_if_modified(|problems| {
            let changed = problems.labels != wrong;
            problems.labels = wrong;
            changed
        });
    }

    fn note(&mut self, saved: &Saved) {
        self.tell(saved);
        let concerned = self.rules.iter().filter(|(container, rule)| {
            let mut paths = saved.paths.iter();
            paths.any(|path| {
                let mut places = container.places(path).into_iter();
                places.any(|place| rule.concerns(&place))
                    || saved.overflow && container.mounts_below(path)
            })
        });
        let ids: Vec<_> = concerned
            .map(|(container, _)| container.id.clone())
            .collect();
        for id in ids {
            self.put_off(id, saved.seen, Some(saved.number));
        }
    }

    /// Who mounts what was saved, for those who watch it.
    fn tell(&self, saved: &Saved) {
        if self.steps.receiver_count() == 0 || saved.unfinished {
            return;
        }
        let mounts = |container: &&Container| {
            let has = |path| {
                !container.places(path).is_empty() || saved.overflow && container.mounts_below(path)
            };
            saved.paths.iter().any(|path| has(path))
        };
        let containers: Vec<_> = self.containers.iter().filter(mounts).collect();
        if !containers.is_empty() {
            // Nobody watches any more: nothing is lost.
            let _ = self.steps.send(Step::Delivered(Delivered {
                save: saved.number,
                paths: saved.paths.clone(),
                overflow: saved.overflow,
                seen: saved.seen,
                after: saved.after,
                containers: containers.into_iter().map(Mounting::of).collect(),
            }));
        }
    }

    fn note_all(&mut self) {
        let ids: Vec<_> = self.rules.iter().map(|(one, _)| one.id.clone()).collect();
        for id in ids {
            self.put_off(id, Instant::now(), None);
        }
    }

    fn put_off(&mut self, id: String, seen: Instant, save: Option<u64>) {
        let now = Instant::now();
        let due = self.due.entry(id).or_insert(Due {
            save,
            seen,
            first: now,
            last: now,
        });
        due.last = now;
    }

    /// When to act next. A container on which an action is under way is left alone until it has ended,
    /// and one that does not run until it does.
    fn next(&self) -> Option<Instant> {
        let free = self.rules.iter().filter(|(one, _)| self.is_free(one));
        let due = free.filter_map(|(one, _)| self.due.get(&one.id));
        due.map(Due::at).min()
    }

    fn is_free(&self, container: &Container) -> bool {
        container.state == "running" && !self.acting.contains(&container.id)
    }

    fn act(&mut self) {
        let now = Instant::now();
        for (container, rule) in &self.rules {
            let id = &container.id;
            let ripe = self.due.get(id).is_some_and(|due| due.at() <= now);
            if !ripe || !self.is_free(container) {
                continue;
            }
            let Some(due) = self.due.remove(id) else {
                continue;
            };
            self.acting.insert(id.clone());
            let (opener, action) = (self.opener.clone(), rule.action.clone());
            let (id, name) = (id.clone(), container.name().to_owned());
            self.acts.spawn(async move {
                let outcome = act::act(&opener, &id, &action).await;
                Done {
                    save: due.save,
                    id,
                    name,
                    action,
                    seen: due.seen,
                    outcome,
                }
            });
        }
    }

    fn ended(&mut self, done: Option<Done>) {
        let Some(done) = done else { return };
        self.acting.remove(&done.id);
        let (name, action, after) = (done.name, done.action, done.seen.elapsed());
        let _ = self.steps.send(Step::Reloaded(Reloaded {
            save: done.save,
            id: done.id,
            action: action.to_string(),
            after,
            error: done.outcome.as_ref().err().map(ToString::to_string),
        }));
        match done.outcome {
            Ok(()) => tracing::info!("{name}: {action} on a change, {after:.0?} after it was seen"),
            Err(error) => tracing::warn!("{name}: {action} on a change failed: {error}"),
        }
    }
}
