use super::booting::Booting;
use super::{Context, Input, State};

/// No VM, and nobody wants one.
pub(super) struct Stopped;

impl Stopped {
    pub(super) fn enter(context: &mut Context) -> State {
        context.facts.recovering = None;
        context.engine_down("the VM is stopped: `coracle start` starts it");
        State::Stopped(Self)
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        match input {
            Input::Start | Input::Restart => {
                context.forgive();
                Booting::enter(context)
            }
            Input::Reset => {
                context.facts.last_error = None;
                context.delete_data();
                State::Stopped(self)
            }
            Input::Stop | Input::Event(_) => State::Stopped(self),
        }
    }
}
