use std::time::Duration;

use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_guest_api::StreamHeader;
use coracle_vm_driver::{ExitReason, VmEvent};
use tokio::time::{sleep, timeout};

use super::booting::Booting;
use super::crash::crashed;
use super::failed::Failed;
use super::live::Live;
use super::machine::{Deadline, Machine, Origin, describe};
use super::stopped::Stopped;
use super::{Context, Input, State};
use crate::event::RunEvent;
use crate::guest::Session;
use crate::task::Task;

/// How long a VM whose agent is lost may take to tell its end itself.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// On the way down: in order first, by force when that takes too long.
pub(super) struct Stopping {
    /// None while the driver still starts it.
    machine: Option<Machine>,
    /// How it will have been made then.
    starting: Option<Box<Origin>>,
    _session: Option<Session>,
    /// The driver's start, the agent's order or the kill.
    _task: Task,
    deadline: Deadline,
    /// Whether force is used already.
    killing: bool,
    plan: Plan,
}

/// What comes after the end.
pub(super) enum Plan {
    /// Nothing.
    Stop,
    /// A new start, for a person.
    Start,
    /// The data disk is deleted.
    Reset,
    /// A new start if that has hope.
    Crash(ApiError),
    /// Nothing, until a person has done something.
    Fail(ApiError),
}

impl Plan {
    /// What a person wants.
    pub(super) fn of(wish: Input) -> Self {
        match wish {
            Input::Start | Input::Restart | Input::Restore => Self::Start,
            Input::Reset => Self::Reset,
            Input::Stop | Input::Shutdown | Input::Wanted | Input::Event(_) => Self::Stop,
        }
    }
}

impl Stopping {
    /// The agent shuts the engine and the guest down.
    pub(super) fn in_order(context: &mut Context, live: Live, plan: Plan) -> State {
        announce(context, &plan);
        let Live { machine, session } = live;
        let (opener, reporter) = (session.opener().clone(), context.reporter());
        let bound = context.options.limits.answer;
        let task = Task::spawn(async move {
            match timeout(bound, opener.open(&StreamHeader::Shutdown)).await {
                Ok(Ok(_)) => {}
                _ => reporter.send(RunEvent::ShutdownRefused).await,
            }
        });
        State::Stopping(Self {
            machine: Some(machine),
            starting: None,
            _session: Some(session),
            _task: task,
            deadline: context.deadline(context.options.limits.shutdown),
            killing: false,
            plan,
        })
    }

    /// There is nobody in the guest to ask.
    pub(super) fn at_once(context: &mut Context, machine: Machine, plan: Plan) -> State {
        announce(context, &plan);
        let (task, deadline) = kill(context, &machine, Duration::ZERO);
        State::Stopping(Self {
            machine: Some(machine),
            starting: None,
            _session: None,
            _task: task,
            deadline,
            killing: true,
            plan,
        })
    }

    /// The agent has gone, most likely with the VM: its end is told in a moment, and why.
    pub(super) fn lost(context: &mut Context, live: Live, plan: Plan) -> State {
        announce(context, &plan);
        let (task, deadline) = kill(context, &live.machine, LAST_WORDS);
        State::Stopping(Self {
            machine: Some(live.machine),
            starting: None,
            _session: None,
            _task: task,
            deadline,
            killing: true,
            plan,
        })
    }

    /// The driver is still starting it, which is not interrupted: it must not leave a half of a VM.
    pub(super) fn while_starting(
        context: &mut Context,
        start: Task,
        origin: Box<Origin>,
        plan: Plan,
    ) -> State {
        announce(context, &plan);
        State::Stopping(Self {
            machine: None,
            starting: Some(origin),
            _session: None,
            _task: start,
            deadline: context.deadline(context.options.limits.shutdown),
            killing: false,
            plan,
        })
    }

    pub(super) fn on(mut self, context: &mut Context, input: Input) -> State {
        match input {
            Input::Event(event) => return self.on_event(context, event),
            // A deletion that someone was promised is not taken back.
            Input::Start | Input::Restart | Input::Restore | Input::Stop | Input::Shutdown
                if matches!(self.plan, Plan::Reset) => {}
            wish => self.plan = Plan::of(wish),
        }
        State::Stopping(self)
    }

    fn on_event(mut self, context: &mut Context, event: RunEvent) -> State {
        match event {
            RunEvent::Started(Ok(running)) => {
                let Some(origin) = self.starting else {
                    return State::Stopping(self);
                };
                let (machine, _) = Machine::new(running, origin, context.reporter());
                Self::at_once(context, machine, self.plan)
            }
            RunEvent::Driver(VmEvent::Exited(reason)) => {
                if let Plan::Crash(error) = &mut self.plan
                    && !matches!(reason, ExitReason::Killed | ExitReason::GuestPoweredOff)
                {
                    *error = ApiError::new(ErrorCode::VmFailed, describe(&reason));
                }
                self.over(context)
            }
            RunEvent::Started(Err(_)) | RunEvent::Killed => self.over(context),
            RunEvent::ShutdownRefused if !self.killing => self.force(context),
            RunEvent::Deadline(id) if id == self.deadline.id => self.force(context),
            _ => State::Stopping(self),
        }
    }

    fn force(mut self, context: &mut Context) -> State {
        match self.machine.as_ref() {
            Some(machine) if !self.killing => {
                tracing::warn!("the guest did not shut down in order and is killed");
                (self._task, self.deadline) = kill(context, machine, Duration::ZERO);
                self.killing = true;
                State::Stopping(self)
            }
            // Dropping what there is ends it, as well as it can be ended.
            _ => self.over(context),
        }
    }

    fn over(self, context: &mut Context) -> State {
        let Self { plan, .. } = self;
        context.vm_gone();
        match plan {
            Plan::Stop => Stopped::enter(context),
            Plan::Start => {
                context.forgive();
                Booting::enter(context)
            }
            Plan::Reset => {
                Stopped::enter(context);
                Stopped::default().on(context, Input::Reset)
            }
            Plan::Crash(error) => crashed(context, error),
            Plan::Fail(error) => Failed::enter(context, error),
        }
    }
}

fn announce(context: &mut Context, plan: &Plan) {
    let message = match plan {
        Plan::Crash(error) | Plan::Fail(error) => format!("Stopping the VM: {error}"),
        _ => "Stopping the engine and the VM".into(),
    };
    context.engine_down("the VM is stopping: `coracle start` starts it again");
    context.announce(Stage::Stopping, message);
}

fn kill(context: &mut Context, machine: &Machine, pause: Duration) -> (Task, Deadline) {
    let (vm, reporter) = (machine.vm.clone(), context.reporter());
    let task = Task::spawn(async move {
        sleep(pause).await;
        if let Err(error) = vm.kill().await {
            tracing::error!(%error, "the VM could not be killed");
        }
        reporter.send(RunEvent::Killed).await;
    });
    (task, context.deadline(pause + context.options.limits.kill))
}
