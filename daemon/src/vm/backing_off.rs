use std::time::Duration;

use super::booting::Booting;
use super::machine::Deadline;
use super::stopped::Stopped;
use super::{Context, Input, State};
use crate::event::RunEvent;

/// The VM has ended by itself and is started again in a moment.
pub(super) struct BackingOff {
    over: Deadline,
}

impl BackingOff {
    pub(super) fn enter(context: &mut Context, pause: Duration) -> State {
        let over = context.deadline(pause);
        State::BackingOff(Self { over })
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        match input {
            Input::Event(RunEvent::Deadline(id)) if id == self.over.id => Booting::enter(context),
            Input::Wanted | Input::Event(_) => State::BackingOff(self),
            Input::Stop | Input::Shutdown => Stopped::enter(context),
            Input::Start | Input::Restart | Input::Restore | Input::Reset => {
                Stopped::enter(context);
                Stopped::default().on(context, input)
            }
        }
    }
}
