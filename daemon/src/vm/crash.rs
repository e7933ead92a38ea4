//! What becomes of a VM that did not end because someone wanted it to.

use coracle_daemon_api::{ApiError, Stage};
use tokio::time::Instant;

use super::backing_off::BackingOff;
use super::failed::Failed;
use super::stopped::Stopped;
use super::{Context, State};

/// Starts it again after a pause, unless that has been tried too often.
pub(super) fn crashed(context: &mut Context, error: ApiError) -> State {
    if context.is_to_stop() {
        context.facts.last_error = Some(error);
        return Stopped::enter(context);
    }
    context.when_up = None;
    let limits = context.options.limits;
    let now = Instant::now();
    context
        .crashes
        .retain(|crash| now.duration_since(*crash) < limits.window);
    context.crashes.push_back(now);
    let crashes = context.crashes.len();
    if crashes > limits.restarts {
        let message = format!("it ended {crashes} times by itself, last because {error}");
        return Failed::enter(context, ApiError::new(error.code, message));
    }
    let pause = limits.back_off * 2u32.saturating_pow(crashes as u32 - 1);
    let reason = format!("The VM ended by itself and is started again: {error}.");
    tracing::warn!(%error, ?pause, "the VM ended by itself");
    context.announce(Stage::Booting, &reason);
    context.engine_soon(&reason);
    context.facts.recovering = Some(reason);
    context.facts.restarts += 1;
    context.facts.last_error = Some(error);
    BackingOff::enter(context, pause)
}

/// Something that did not happen in its time. When it never worked since the person's start
/// another attempt would only make them wait; later it is worth one.
pub(super) fn is_hopeless(context: &Context) -> bool {
    !context.was_up && context.crashes.is_empty()
}
