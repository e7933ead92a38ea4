//! The loop against a daemon and an engine that are played, and a desktop that remembers.

mod played;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use coracle_daemon_api::API_VERSION;
use tokio::time::{sleep, timeout};

use super::*;
use crate::action::ContainerVerb;
use crate::fixtures;
use crate::tray::menu::Item;
use played::Played;

#[derive(Clone, Default)]
struct Remembers(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    view: View,
    tray: Option<Tray>,
    opened: Vec<String>,
    complaints: Vec<String>,
    notified: Vec<String>,
    has_quit: bool,
}

impl Gui for Remembers {
    fn show(&mut self, view: &View) {
        self.0.lock().unwrap().view = view.clone();
    }

    fn tray(&mut self, tray: Tray) {
        self.0.lock().unwrap().tray = Some(tray);
    }

    fn open(&mut self, place: &str) {
        self.0.lock().unwrap().opened.push(place.to_owned());
    }

    fn browse(&mut self, _: &str) -> Ended {
        Err(ApiError::new(ErrorCode::Host, "no browser"))
    }

    fn complain(&mut self, error: &ApiError) {
        let message = error.message.clone();
        self.0.lock().unwrap().complaints.push(message);
    }

    fn notify(&mut self, sentence: &str) {
        self.0.lock().unwrap().notified.push(sentence.to_owned());
    }

    fn quit(&mut self) {
        self.0.lock().unwrap().has_quit = true;
    }
}

impl Remembers {
    /// Waits until the desktop shows it.
    async fn until(&self, what: &str, is_so: impl Fn(&Memory) -> bool) {
        let looks = async {
            while !is_so(&self.0.lock().unwrap()) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let came = timeout(Duration::from_secs(60), looks).await;
        let memory = self.0.lock().unwrap();
        assert!(came.is_ok(), "{what}: {:?}", memory.view);
    }

    async fn until_mood(&self, mood: Mood) {
        self.until(&format!("{mood:?}"), |memory| {
            memory.tray.as_ref().map(|tray| tray.icon.mood) == Some(mood)
        })
        .await;
    }
}

fn begin(played: &Played) -> (Remembers, Handle) {
    let gui = Remembers::default();
    let (controller, handle) = new(&played.paths, gui.clone());
    tokio::spawn(controller.run());
    (gui, handle)
}

#[tokio::test]
async fn each_state_of_the_daemon_is_shown() {
    let played = Played::new().await;
    let (gui, _handle) = begin(&played);
    gui.until_mood(Mood::Stopped).await;
    for (state, mood) in [
        ("booting", Mood::Starting),
        ("engine-starting", Mood::Starting),
        ("running", Mood::Running),
        ("stopping", Mood::Starting),
        ("suspended", Mood::Stopped),
        ("failed", Mood::Error),
    ] {
        played.tell(fixtures::status(state));
        gui.until_mood(mood).await;
    }
    let mut status = fixtures::status("running");
    status.degraded.push("The host is slow.".into());
    played.tell(status.clone());
    gui.until_mood(Mood::Degraded).await;
    status.vm.asleep = true;
    played.tell(status);
    gui.until_mood(Mood::Asleep).await;
    played.tell(fixtures::status("suspended"));
    gui.until_mood(Mood::Stopped).await;
    // After an hour of sleep.
    let mut status = fixtures::status("suspended");
    status.vm.asleep = true;
    played.tell(status);
    gui.until_mood(Mood::Asleep).await;
}

#[tokio::test]
async fn a_daemon_that_goes_is_said_to_be_gone_and_found_again() {
    let played = Played::new().await;
    played.tell(fixtures::status("running"));
    let (gui, _handle) = begin(&played);
    gui.until_mood(Mood::Running).await;
    played.end();
    gui.until("gone", |memory| {
        matches!(memory.view.daemon, Link::Gone { .. }) && memory.view.status.is_none()
    })
    .await;
    gui.until("the notification", |memory| memory.notified.len() == 1)
        .await;
    played.begin_again(API_VERSION + 1);
    gui.until("of another version", |memory| {
        matches!(&memory.view.daemon, Link::Foreign { message } if message.contains("version"))
    })
    .await;
    assert!(played.events_asked() <= 1, "nothing is asked of a stranger");
    played.end();
    played.begin_again(API_VERSION);
    gui.until_mood(Mood::Running).await;
}

#[tokio::test]
async fn containers_follow_the_engine_and_a_sleeping_vm_is_not_asked() {
    let played = Played::new().await;
    played.contain(&["web"]);
    let mut status = fixtures::status("running");
    status.vm.asleep = true;
    played.tell(status.clone());
    let (gui, handle) = begin(&played);
    gui.until_mood(Mood::Asleep).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(played.engine_asked(), 0, "it sleeps");

    status.vm.asleep = false;
    played.tell(status);
    let names = |memory: &Memory| {
        let containers = memory.view.containers.iter().flatten();
        containers.map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    gui.until("the container", |memory| names(memory) == ["web"])
        .await;
    sleep(Duration::from_secs(1)).await;
    played.contain(&["db", "web"]);
    played.happens();
    gui.until("the second", |memory| names(memory) == ["db", "web"])
        .await;
    let asked = played.engine_asked();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        played.engine_asked(),
        asked,
        "nothing happens, nothing is asked"
    );

    let verb = ContainerVerb::Stop;
    let ids = vec!["id-web".into()];
    let error = handle
        .act(Action::Containers { ids, verb })
        .await
        .unwrap_err();
    assert_eq!(error.message, "the engine's own words");

    let mut asleep = fixtures::status("suspended");
    asleep.vm.asleep = true;
    played.tell(asleep);
    gui.until_mood(Mood::Asleep).await;
    assert_eq!(names(&gui.0.lock().unwrap()), ["db", "web"]);
    // On its way from the disk; not so a VM that has ended meanwhile.
    let mut booting = fixtures::status("booting");
    played.tell(booting.clone());
    gui.until_mood(Mood::Starting).await;
    assert_eq!(names(&gui.0.lock().unwrap()), ["db", "web"]);
    booting.vm.restarts += 1;
    played.tell(booting);
    gui.until("no containers", |memory| memory.view.containers.is_none())
        .await;
    played.tell(fixtures::status("running"));
    played.happens();
    gui.until("both again", |memory| names(memory) == ["db", "web"])
        .await;
    played.tell(fixtures::status("suspended"));
    gui.until("no containers", |memory| memory.view.containers.is_none())
        .await;
}

#[tokio::test]
async fn containers_do_not_wait_for_the_swarm() {
    let played = Played::new().await;
    played.contain(&["web"]);
    played.have_the_swarm_answer(false);
    played.tell(fixtures::status("running"));
    let (gui, _handle) = begin(&played);
    let count = |memory: &Memory| memory.view.containers.iter().flatten().count();
    gui.until("the first", |memory| count(memory) == 1).await;
    played.contain(&["db", "web"]);
    played.happens();
    gui.until("the second", |memory| count(memory) == 2).await;
    assert_eq!(gui.0.lock().unwrap().view.swarm, None);
    played.have_the_swarm_answer(true);
    gui.until("the swarm", |memory| memory.view.swarm.is_some())
        .await;
}

#[tokio::test]
async fn a_swarm_on_its_way_is_not_asked_of_a_vm_that_has_fallen_asleep() {
    let played = Played::new().await;
    played.converge();
    let mut status = fixtures::status("running");
    played.tell(status.clone());
    let (gui, _handle) = begin(&played);
    gui.until("the swarm", |memory| memory.view.swarm.is_some())
        .await;
    status.vm.asleep = true;
    played.tell(status.clone());
    gui.until_mood(Mood::Asleep).await;
    // What was under way when it fell asleep has been asked by then.
    sleep(Duration::from_millis(300)).await;
    let asked = played.swarm_asked();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(played.swarm_asked(), asked, "it sleeps");
    status.vm.asleep = false;
    played.tell(status);
    gui.until("asked again", |_| played.swarm_asked() > asked)
        .await;
}

#[tokio::test]
async fn a_click_acts_and_what_it_failed_of_is_told() {
    let played = Played::new().await;
    played.tell(fixtures::status("running"));
    let (gui, handle) = begin(&played);
    gui.until_mood(Mood::Running).await;
    let action = Action::Suspend;
    handle.send(Wish::Choose(Choice::Act { action }));
    gui.until("its progress", |memory| {
        let doing = memory.view.doing.as_ref();
        doing.is_some_and(|doing| doing.message == "the memory is saved")
    })
    .await;
    gui.until_mood(Mood::Starting).await;
    played.fail_the_stop();
    gui.until("the reason", |memory| {
        memory.complaints == ["The disk is full."] && memory.view.doing.is_none()
    })
    .await;
    let place = "snapshots/restore/a".to_owned();
    handle.send(Wish::Choose(Choice::Show {
        place: place.clone(),
    }));
    handle.send(Wish::Choose(Choice::Browse { port: 80 }));
    handle.send(Wish::Choose(Choice::Quit));
    gui.until("the end", |memory| memory.has_quit).await;
    let memory = gui.0.lock().unwrap();
    assert_eq!(memory.opened, [place]);
    assert_eq!(memory.complaints.len(), 2);
    let menu = &memory.tray.as_ref().unwrap().menu;
    assert_eq!(menu[0], Item::Line("Coracle: running".into()));
}

#[tokio::test]
async fn snapshots_and_debug_sessions_come_with_the_daemons_news() {
    let played = Played::new().await;
    played.tell(fixtures::status("running"));
    let (gui, handle) = begin(&played);
    gui.until_mood(Mood::Running).await;
    let name = "before".to_owned();
    handle.act(Action::TakeSnapshot { name }).await.unwrap();
    gui.until("the snapshot", |memory| {
        memory.view.snapshots == [fixtures::snapshot("before")]
    })
    .await;

    let target = "web".to_owned();
    let pid = None;
    handle.act(Action::Debug { target, pid }).await.unwrap();
    gui.until("the session", |memory| {
        let sessions = &memory.view.debug_sessions;
        sessions
            .iter()
            .any(|one| one.connect == "node inspect 127.0.0.1:9229")
    })
    .await;
    handle.act(Action::StopDebug { id: 1 }).await.unwrap();
    gui.until("its end", |memory| memory.view.debug_sessions.is_empty())
        .await;
}
