use coracle_engine_proxy::EngineAccess;
use coracle_guest_api::status::{AgentEvent, EngineState};

use super::engine_starting::{EngineStarting, note};
use super::live::{Live, Step};
use super::suspending::Suspending;
use super::{Context, Input, State};
use crate::event::{EngineFacts, RunEvent};
use crate::task::Task;

/// The engine answers.
pub(super) struct Running {
    live: Live,
    /// Listens for swarm services; an engine that goes down takes their ports along.
    services: Task,
}

impl Running {
    pub(super) fn enter(context: &mut Context, live: Live, facts: EngineFacts) -> State {
        context.was_up = true;
        context.facts.recovering = None;
        context.facts.vm.engine_note = None;
        context.facts.vm.engine = Some(facts.version);
        context.facts.vm.guest = Some(facts.guest);
        let opener = live.session.opener().clone();
        context
            .sockets
            .access
            .send_replace(EngineAccess::Ready(opener.clone()));
        let forwarder = context.sockets.forwarder.clone();
        let services = Task::spawn(async move { forwarder.follow_services(opener).await });
        let state = Self { live, services };
        match context.when_up.take() {
            Some(wish) => state.on(context, wish),
            None => State::Running(state),
        }
    }

    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        let Self { live, services } = self;
        if matches!(input, Input::Stop) {
            return Suspending::enter(context, live);
        }
        match live.on(context, input) {
            Step::To(state) => state,
            Step::Yours(live, RunEvent::Agent(AgentEvent::Engine(state)))
                if state != EngineState::Ready =>
            {
                EngineStarting::enter(context, live, note(&state))
            }
            Step::Stay(live) | Step::Yours(live, _) => State::Running(Self { live, services }),
        }
    }
}
