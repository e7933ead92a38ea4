use coracle_daemon_api::ApiError;

use super::stopped::Stopped;
use super::{Context, Input, State};

/// No VM, because it does not work: a person has to do something.
pub(super) struct Failed;

impl Failed {
    pub(super) fn enter(context: &mut Context, error: ApiError) -> State {
        tracing::error!(%error, "the VM failed");
        context.facts.recovering = None;
        context.when_up = None;
        context.engine_down(&format!(
            "the VM failed ({error}): `coracle start` tries again, `coracle logs vm` shows more"
        ));
        context.facts.last_error = Some(error);
        State::Failed(Self)
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        match input {
            Input::Wanted | Input::Event(_) => State::Failed(self),
            Input::Stop | Input::Shutdown => Stopped::enter(context),
            Input::Start | Input::Restart | Input::Restore | Input::Reset => {
                Stopped::enter(context);
                Stopped::default().on(context, input)
            }
        }
    }
}
