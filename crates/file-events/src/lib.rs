//! Changes of shared folders on the host, told to the guest.
//!
//! What is watched follows from the engine's containers: their bind mounts, as [`roots`] ([`containers`]
//! asks). The host's watcher ([`platform`]) pushes what happens into a [`queue`], which merges and,
//! when too much has come together, turns into one overflow; [`send`] takes it to the agent, batch
//! after batch in order, and hears of each when its events are raised. What containers are to do then
//! that do not watch by themselves is the matter of [`reload`].
//!
//! `docs/file-events.md` tells which event becomes which.

mod containers;
pub mod fuzzing;
mod ignored;
mod platform;
mod queue;
mod reload;
mod roots;
mod saved;
mod send;
mod steps;

use std::path::PathBuf;
use std::sync::Arc;

use coracle_guest_api::mux::Opener;
use tokio::sync::{broadcast, watch};

pub use ignored::Ignored;
pub use steps::{Delivered, Mounting, Reloaded, Step};

use containers::Containers;
use queue::Queue;
use roots::Share;
use saved::Saved;

/// The file events of one VM after the other. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FileEvents {
    problems: Arc<watch::Sender<Problems>>,
    saved: broadcast::Sender<Saved>,
    steps: broadcast::Sender<Step>,
    containers: Arc<watch::Sender<Containers>>,
}

impl Default for FileEvents {
    fn default() -> Self {
        Self {
            problems: Arc::default(),
            saved: broadcast::Sender::new(BATCHES),
            steps: broadcast::Sender::new(BATCHES),
            containers: Arc::default(),
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// With the host's watcher.
    pub(crate) watcher: Option<String>,
    /// With containers' labels.
    pub(crate) labels: Vec<String>,
}

/// How many batches a subscriber may be behind before it loses some.
const BATCHES: usize = 256;

impl FileEvents {
    /// Nothing is watched yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Why not everything is told or acted on: sentences with the remedy.
    pub fn problems(&self) -> Vec<String> {
        let problems = self.problems.borrow();
        let watcher = problems.watcher.iter();
        watcher.chain(&problems.labels).cloned().collect()
    }

    /// Changes with [`problems`](Self::problems).
    pub fn changed(&self) -> watch::Receiver<Problems> {
        self.problems.subscribe()
    }

    /// What becomes of edits from now on.
    pub fn steps(&self) -> broadcast::Receiver<Step> {
        self.steps.subscribe()
    }

    /// The containers that mount files of the host.
    pub fn mounting(&self) -> Vec<Mounting> {
        let containers = self.containers.borrow();
        let mounting = containers.iter().filter(|one| one.mounts_anything());
        mounting.map(Mounting::of).collect()
    }

    /// Tells the guest of everything that happens in the folders of `shares` that its containers
    /// mount, for as long as the transport lasts. Dropped, nothing is watched any more.
    pub async fn follow(&self, opener: Opener, shares: Vec<PathBuf>, ignored: Ignored) {
        let _forgotten = Forget(self.clone());
        let queue = Arc::new(Queue::default());
        let problems = self.problems.clone();
        let watcher = match platform::Watcher::start(queue.clone(), problems, ignored) {
            Ok(watcher) => watcher,
            Err(error) => {
                let sentence = format!(
                    "Edits on the host do not reach watching programs in containers: {error}."
                );
                self.problems
                    .send_modify(|problems| problems.watcher = Some(sentence));
                return;
            }
        };
        let (known, containers) = (&self.containers, self.containers.subscribe());
        let saved = self.saved.subscribe();
        let shares: Vec<_> = shares.iter().filter_map(|path| Share::of(path)).collect();
        // What is asked all the time must keep no VM awake.
        let background = opener.in_background();
        tokio::select! {
            () = containers::follow(&background, &shares, &watcher, known) => {}
            () = reload::follow(&opener, containers, saved, &self.problems, &self.steps) => {}
            () = send::follow(&opener, &queue, &self.saved) => {}
            () = opener.ended() => {}
        }
    }
}

/// What was wrong with one VM's events is not wrong with the next one's.
struct Forget(FileEvents);

impl Drop for Forget {
    fn drop(&mut self) {
        self.0.containers.send_replace(Containers::default());
        self.0.problems.send_if_modified(|problems| {
            let had = *problems != Problems::default();
            *problems = Problems::default();
            had
        });
    }
}
