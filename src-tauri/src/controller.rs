//! The app's one loop: it owns what is known, and everything else sends it messages.
//!
//! ```text
//!  daemon::follow ────told, lost──►┐
//!  engine::follow ─────found──────►│ Controller ──show──► a Gui (tray, window)
//!  commands, clicks ────wishes────►│     │
//!  tasks ──stages, results────────►┘     └─ tasks that call daemon and engine
//! ```
//!
//! It knows no type of tauri: a [`Gui`] is what it needs of a desktop.

mod alarm;
mod gui;
mod work;

use std::time::Duration;

use coracle_daemon_api::{ApiError, DaemonNews, ErrorCode, Status, VmState};
use coracle_host_paths::HostPaths;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::action::Action;
use crate::daemon::{self, News};
use crate::engine;
use crate::tray::icon::FRAMES;
use crate::tray::menu::Choice;
use crate::view::{Debugged, Doing, Link, Mood, View};

pub(crate) use gui::{Gui, Tray};
use work::Work;
pub(crate) use work::failed;

/// A frame of the tray's movement, which only an action that goes on has.
const FRAME: Duration = Duration::from_millis(400);

/// How an action ended.
pub(crate) type Ended = Result<(), ApiError>;

/// What others want of the loop.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Something is done; the answer comes when it has ended.
    Act(Action, oneshot::Sender<Ended>),
    /// Somebody clicked into the tray's menu.
    Choose(Choice),
    /// The ground of the tray's icon has changed: whether it is dark.
    Ground(bool),
}

/// The way to the loop.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    wishes: mpsc::UnboundedSender<Wish>,
    listens: watch::Receiver<bool>,
}

impl Handle {
    /// Sends a wish; one that comes while the app ends is lost.
    pub(crate) fn send(&self, wish: Wish) {
        let _ = self.wishes.send(wish);
    }

    /// Whether the engine can be asked without waking a VM, now and from now on; ends with the loop.
    pub(crate) fn engine_listens(&self) -> watch::Receiver<bool> {
        self.listens.clone()
    }

    /// Does something, and waits for its end.
    pub(crate) async fn act(&self, action: Action) -> Ended {
        let (reply, ended) = oneshot::channel();
        self.send(Wish::Act(action, reply));
        let over = || ApiError::new(ErrorCode::Internal, "the app ends");
        ended.await.unwrap_or_else(|_| Err(over()))
    }
}

/// A loop that is not run yet, and the way to it.
pub(crate) fn new<G: Gui>(paths: &HostPaths, gui: G) -> (Controller<G>, Handle) {
    let (wishes, receiver) = mpsc::unbounded_channel();
    let (results, from_work) = mpsc::unbounded_channel();
    let (listens, engine_listens) = watch::channel(false);
    let controller = Controller {
        work: Work::new(paths, results),
        gui,
        view: View::default(),
        listens,
        wishes: receiver,
        results: from_work,
        action: 0,
        dozed: false,
        frame: 0,
        on_dark: true,
    };
    let handle = Handle {
        wishes,
        listens: engine_listens,
    };
    (controller, handle)
}

/// What the tasks tell the loop.
#[derive(Debug)]
enum Report {
    /// A long action, by its number, is at another place.
    At(u64, Doing),
    /// An action has ended; with a number when it was a long one.
    Ended(Option<u64>, Ended, Option<oneshot::Sender<Ended>>),
}

/// See the module.
pub(crate) struct Controller<G> {
    work: Work,
    gui: G,
    view: View,
    /// Whether the engine can be asked without waking a VM.
    listens: watch::Sender<bool>,
    wishes: mpsc::UnboundedReceiver<Wish>,
    results: mpsc::UnboundedReceiver<Report>,
    /// The number of the long action that was begun last.
    action: u64,
    /// Whether the VM slept on the disk, or is on its way from there.
    dozed: bool,
    frame: u8,
    on_dark: bool,
}

impl<G: Gui> Controller<G> {
    /// Until somebody quits.
    pub(crate) async fn run(mut self) {
        let (news, mut from_daemon) = mpsc::unbounded_channel();
        let (found, mut from_engine) = mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(daemon::follow(self.work.client.clone(), news));
        tasks.spawn(engine::follow(
            self.work.client.clone(),
            self.work.engine.clone(),
            self.listens.subscribe(),
            found,
        ));
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            self.show();
            let moves = self.view.mood() == Mood::Starting;
            let goes_on = tokio::select! {
                Some(news) = from_daemon.recv() => {
                    let before = self.view.clone();
                    let goes_on = self.heard(news);
                    for sentence in alarm::sound(&before, &self.view) {
                        self.gui.notify(&sentence);
                    }
                    goes_on
                }
                Some(found) = from_engine.recv() => self.found(found),
                Some(result) = self.results.recv() => self.result(result),
                wish = self.wishes.recv() => match wish {
                    Some(wish) => self.wish(wish),
                    None => false,
                },
                _ = frames.tick(), if moves => {
                    self.frame = (self.frame + 1) % FRAMES;
                    true
                }
            };
            if !goes_on {
                return;
            }
            let now = self.view.engine_listens();
            self.listens
                .send_if_modified(|before| std::mem::replace(before, now) != now);
        }
    }

    fn show(&mut self) {
        if self.view.mood() != Mood::Starting {
            self.frame = 0;
        }
        let tray = Tray::of(&self.view, self.frame, self.on_dark);
        self.gui.tray(tray);
        self.gui.show(&self.view);
    }

    fn heard(&mut self, news: News) -> bool {
        match news {
            News::Told(told) => {
                let DaemonNews {
                    status,
                    snapshots,
                    debug_sessions,
                } = *told;
                // Those of a VM that sleeps come back with it, wherever its memory is.
                self.dozed = self.dozes(&status);
                if status.vm.state != VmState::Running && !status.vm.asleep && !self.dozed {
                    self.view.containers = None;
                    self.view.swarm = None;
                }
                self.view.daemon = Link::Connected;
                self.view.status = Some(status);
                self.view.snapshots = snapshots;
                self.view.debug_sessions = debug_sessions.into_iter().map(Debugged::from).collect();
            }
            News::Lost(link) => {
                self.view.daemon = link;
                self.view.status = None;
                self.view.containers = None;
                self.view.swarm = None;
                self.view.snapshots.clear();
                self.view.debug_sessions.clear();
            }
        }
        true
    }

    /// Whether the VM sleeps on the disk, or comes from there without having ended.
    fn dozes(&self, status: &Status) -> bool {
        let before = self.view.status.as_ref().map(|status| status.vm.restarts);
        match status.vm.state {
            VmState::Suspended => status.vm.asleep,
            VmState::Booting | VmState::EngineStarting => {
                self.dozed && before == Some(status.vm.restarts)
            }
            _ => false,
        }
    }

    fn found(&mut self, found: engine::Found) -> bool {
        // What was found just before the VM went is not there any more.
        let state = self.view.status.as_ref().map(|status| status.vm.state);
        if state != Some(VmState::Running) {
            return true;
        }
        let is_news = match found {
            engine::Found::Containers(containers) => {
                self.view.containers = Some(containers);
                true
            }
            engine::Found::Swarm(swarm) => {
                let before = std::mem::replace(&mut self.view.swarm, swarm);
                self.view.swarm != before
            }
        };
        if is_news {
            self.view.engine_news = self.view.engine_news.wrapping_add(1);
        }
        true
    }

    fn result(&mut self, result: Report) -> bool {
        match result {
            Report::At(action, doing) if action == self.action => self.view.doing = Some(doing),
            Report::At(..) => {}
            Report::Ended(action, ended, reply) => {
                if action.is_some_and(|action| action == self.action) {
                    self.view.doing = None;
                }
                match (reply, ended) {
                    (Some(reply), ended) => drop(reply.send(ended)),
                    (None, Err(error)) => self.gui.complain(&error),
                    (None, Ok(())) => {}
                }
            }
        }
        true
    }

    fn wish(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Act(action, reply) => self.act(action, Some(reply)),
            Wish::Choose(Choice::Act { action }) => self.act(action, None),
            Wish::Choose(Choice::Show { place }) => self.gui.open(&place),
            Wish::Choose(Choice::Browse { port }) => {
                if let Err(error) = self.gui.browse(&self.view.address_of(port)) {
                    self.gui.complain(&error);
                }
            }
            Wish::Choose(Choice::Quit) => {
                self.gui.quit();
                return false;
            }
            Wish::Ground(is_dark) => self.on_dark = is_dark,
        }
        true
    }

    fn act(&mut self, action: Action, reply: Option<oneshot::Sender<Ended>>) {
        let is_long = work::announcement(&action).map(|message| {
            self.action += 1;
            self.view.doing = Some(Doing {
                stage: None,
                message: message.into(),
            });
            self.action
        });
        let by_command = self.view.starts_by_command();
        self.work.begin(action, is_long, by_command, reply);
    }
}

#[cfg(test)]
mod tests;
