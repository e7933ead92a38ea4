use coracle_engine_proxy::EngineAccess;
use coracle_guest_api::status::{AgentEvent, EngineState};

use super::engine_starting::{EngineStarting, note};
use super::live::{Live, Step};
use super::{Context, Input, State};
use crate::event::{EngineFacts, RunEvent};

/// The engine answers.
pub(super) struct Running {
    live: Live,
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
            .send_replace(EngineAccess::Ready(opener));
        State::Running(Self { live })
    }

    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        match self.live.on(context, input) {
            Step::To(state) => state,
            Step::Yours(live, RunEvent::Agent(AgentEvent::Engine(state)))
                if state != EngineState::Ready =>
            {
                EngineStarting::enter(context, live, note(&state))
            }
            Step::Stay(live) | Step::Yours(live, _) => State::Running(Self { live }),
        }
    }
}
