use std::time::Duration;

use coracle_daemon_api::Stage;
use coracle_engine_proxy::EngineAccess;
use coracle_file_events::Ignored;
use coracle_guest_api::mux::Opener;
use coracle_guest_api::status::{AgentEvent, EngineState};
use tokio::time::sleep;

use super::engine_starting::{EngineStarting, note};
use super::live::{Live, Step};
use super::suspending::Suspending;
use super::{Context, Input, State};
use crate::engine::configuration;
use crate::event::{EngineFacts, RunEvent};
use crate::task::Task;

/// The engine answers.
pub(super) struct Running {
    live: Live,
    /// Listens for swarm services; an engine that goes down takes their ports along.
    services: Task,
    /// Tells the guest of edits on the host.
    file_events: Task,
    /// Closes the ports for which the containers of a VM that was away do not ask again.
    let_go: Task,
}

/// Until containers have asked for their ports again, after the engine answers.
const LEASED: Duration = Duration::from_secs(15);

impl Running {
    pub(super) fn enter(context: &mut Context, mut live: Live, facts: EngineFacts) -> State {
        context.was_up = true;
        context.facts.recovering = None;
        context.facts.vm.engine_note = None;
        context.facts.vm.engine = Some(facts.version);
        match &facts.guest.engine_refused {
            Some(words) => context.announce(Stage::Engine, configuration::gone_back(words)),
            None => configuration::keep(
                &context.paths.engine_config(),
                &live.machine.origin.settings.engine,
            ),
        }
        context.facts.vm.guest = Some(facts.guest);
        let opener = live.session.opener().clone();
        context
            .sockets
            .access
            .send_replace(EngineAccess::Ready(opener.clone()));
        let (vm, reporter) = (live.machine.vm.clone(), context.reporter());
        live.session.may_sleep(vm, context.idle(), reporter);
        let forwarder = context.sockets.forwarder.clone();
        let let_go = Task::spawn({
            let forwarder = forwarder.clone();
            async move {
                sleep(LEASED).await;
                forwarder.let_go();
            }
        });
        let services = {
            let opener = opener.clone();
            Task::spawn(async move { forwarder.follow_services(opener).await })
        };
        let ignored = &live.machine.origin.settings.ignored;
        let file_events = Task::spawn(follow_files(context, ignored, opener));
        let state = Self {
            live,
            services,
            file_events,
            let_go,
        };
        match context.when_up.take() {
            Some(wish) => state.on(context, wish),
            None => State::Running(state),
        }
    }

    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        let Self {
            live,
            services,
            file_events,
            let_go,
        } = self;
        if matches!(input, Input::Stop) {
            return Suspending::enter(context, live);
        }
        match live.on(context, input) {
            Step::Yours(live, RunEvent::Unused) => match Suspending::unless_used(context, live) {
                Ok(state) => state,
                Err(live) => State::Running(Self {
                    live: *live,
                    services,
                    file_events,
                    let_go,
                }),
            },
            Step::To(state) => state,
            Step::Yours(live, RunEvent::Agent(AgentEvent::Engine(state)))
                if state != EngineState::Ready =>
            {
                EngineStarting::enter(context, live, note(&state))
            }
            Step::Stay(live) | Step::Yours(live, _) => State::Running(Self {
                live,
                services,
                file_events,
                let_go,
            }),
        }
    }
}

/// Of the folders that this VM shares, but for what was to be ignored when it was started.
fn follow_files(
    context: &Context,
    ignored: &[String],
    opener: Opener,
) -> impl Future<Output = ()> + use<> {
    let made = context.facts.vm.prepared.as_ref();
    let shares = made.map_or(&context.settings.shares, |made| &made.shares);
    let (shares, file_events) = (shares.clone(), context.sockets.file_events.clone());
    // A pattern was checked when it was set.
    let ignored = Ignored::parse(ignored);
    async move {
        match ignored {
            Ok(ignored) => file_events.follow(opener, shares, ignored).await,
            Err(why) => tracing::error!("file events are not followed: files.ignored {why}"),
        }
    }
}
