use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_engine_proxy::EngineAccess;
use coracle_guest_api::status::{AgentEvent, EngineState};

use super::crash::is_hopeless;
use super::live::{Live, Step};
use super::machine::Deadline;
use super::running::Running;
use super::stopping::{Plan, Stopping};
use super::{Context, Input, State};
use crate::engine;
use crate::event::RunEvent;
use crate::task::Task;

/// The agent is there, the engine does not answer yet, or not any more.
pub(super) struct EngineStarting {
    live: Live,
    /// Asks the engine, once the agent holds it to be ready.
    asking: Option<Task>,
    deadline: Deadline,
}

impl EngineStarting {
    /// `note` says why the engine is down after it was up.
    pub(super) fn enter(context: &mut Context, live: Live, note: Option<String>) -> State {
        // What the guest has said may have come after it fell asleep.
        live.session.wake();
        let resumed = live.machine.origin.resumed && note.is_none();
        say(context, note);
        if resumed {
            // It was up when it was suspended. If not, the agent refuses for as long as it is not.
            let opener = live.session.opener().clone();
            let access = &context.sockets.access;
            access.send_replace(EngineAccess::Ready(opener));
        }
        let deadline = context.deadline(context.options.limits.engine);
        State::EngineStarting(Self {
            live,
            asking: None,
            deadline,
        })
    }

    /// The engine was up when it was last looked at, and its agent will not say so again.
    pub(super) fn again(context: &mut Context, live: Live) -> State {
        context.engine_soon("the VM was not suspended and is back in a moment");
        context.vm_is_back(live.session.opener().clone());
        let asking = ask(context, &live);
        State::EngineStarting(Self {
            live,
            asking: Some(asking),
            deadline: context.deadline(context.options.limits.engine),
        })
    }

    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    /// Whether a stop waits until it is up, for what runs in it.
    pub(super) fn is_soon_up(&self, context: &Context) -> bool {
        is_soon_up(&self.live, context)
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        let Self {
            live,
            asking,
            deadline,
        } = self;
        let soon_up = is_soon_up(&live, context);
        let input = match input {
            wish @ (Input::Stop | Input::Shutdown | Input::Restart) if soon_up => {
                context.when_up = Some(wish);
                return State::EngineStarting(Self {
                    live,
                    asking,
                    deadline,
                });
            }
            Input::Start => {
                context.when_up = None;
                Input::Start
            }
            other => other,
        };
        let (live, event) = match live.on(context, input) {
            Step::To(state) => return state,
            Step::Stay(live) => {
                return State::EngineStarting(Self {
                    live,
                    asking,
                    deadline,
                });
            }
            Step::Yours(live, event) => (live, event),
        };
        let asking = match event {
            RunEvent::EngineAnswered(facts) if asking.is_some() => {
                return Running::enter(context, live, facts);
            }
            RunEvent::Deadline(id) if id == deadline.id => return give_up(context, live),
            RunEvent::Agent(AgentEvent::Engine(EngineState::Ready)) => Some(ask(context, &live)),
            RunEvent::Agent(AgentEvent::Engine(state)) => {
                say(context, note(&state));
                None
            }
            _ => asking,
        };
        State::EngineStarting(Self {
            live,
            asking,
            deadline,
        })
    }
}

fn is_soon_up(live: &Live, context: &Context) -> bool {
    live.machine.origin.resumed && context.facts.vm.engine_note.is_none()
}

fn ask(context: &Context, live: &Live) -> Task {
    let opener = live.session.opener().clone();
    let each = context.options.limits.answer;
    Task::spawn(engine::ask(opener, each, context.reporter()))
}

/// Why an engine in that state does not answer.
pub(super) fn note(state: &EngineState) -> Option<String> {
    match state {
        EngineState::Starting | EngineState::Ready => None,
        EngineState::Restarting { exits, reason } => Some(format!(
            "The engine has ended ({exits} times since boot) and is started again: {reason}"
        )),
        EngineState::Stopping => Some("The guest shuts the engine down.".into()),
    }
}

fn say(context: &mut Context, note: Option<String>) {
    context.engine_soon(note.as_deref().unwrap_or("the engine is starting"));
    if let Some(note) = &note {
        tracing::warn!("{note}");
        context.announce(Stage::Engine, note.clone());
    }
    context.facts.vm.engine_note = note;
}

fn give_up(context: &mut Context, live: Live) -> State {
    let why = context.facts.vm.engine_note.clone();
    let error = ApiError::new(
        ErrorCode::EngineFailed,
        format!(
            "the engine did not answer within {} s ({}): `coracle logs engine` shows more",
            context.options.limits.engine.as_secs(),
            why.as_deref().unwrap_or("no reason is known")
        ),
    );
    let plan = match is_hopeless(context) {
        true => Plan::Fail(error),
        false => Plan::Crash(error),
    };
    Stopping::in_order(context, live, plan)
}
