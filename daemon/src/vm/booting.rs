use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_guest_api::HelloReply;
use coracle_vm_driver::{ByteStream, RunningVm, VmEvent};

use super::crash::{crashed, is_hopeless};
use super::engine_starting::EngineStarting;
use super::machine::{Deadline, Machine, describe};
use super::prepare::{self, Prepared};
use super::stopped::Stopped;
use super::stopping::{Plan, Stopping};
use super::{Context, Input, State};
use crate::event::RunEvent;
use crate::guest::{self, Session};
use crate::task::Task;

/// From the look at the host until the agent's hello.
pub(super) struct Booting(Phase);

enum Phase {
    /// Nothing has been started yet.
    Preparing { _task: Task },
    /// The driver is at it.
    Starting { task: Task, secret: String },
    /// The guest boots.
    Guest {
        machine: Machine,
        _hello: Task,
        deadline: Deadline,
    },
}

impl Booting {
    pub(super) fn enter(context: &mut Context) -> State {
        context.engine_soon("the VM is starting");
        let task = Task::spawn(prepare::run(
            context.options.clone(),
            context.paths.clone(),
            context.settings.clone(),
            context.reporter(),
        ));
        State::Booting(Self(Phase::Preparing { _task: task }))
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        match (input, self.0) {
            (Input::Start, phase) => State::Booting(Self(phase)),
            (Input::Event(event), phase) => on_event(context, event, phase),
            (wish, Phase::Preparing { .. }) => {
                context.vm_gone();
                Stopped::enter(context);
                Stopped.on(context, wish)
            }
            (wish, Phase::Starting { task, .. }) => {
                Stopping::while_starting(context, task, Plan::of(wish))
            }
            (wish, Phase::Guest { machine, .. }) => {
                Stopping::at_once(context, machine, Plan::of(wish))
            }
        }
    }
}

fn on_event(context: &mut Context, event: RunEvent, phase: Phase) -> State {
    match (event, phase) {
        (RunEvent::Prepared(Ok(prepared)), Phase::Preparing { .. }) => start(context, *prepared),
        (RunEvent::Prepared(Err(error)), Phase::Preparing { .. })
        | (RunEvent::Started(Err(error)), Phase::Starting { .. }) => not_started(context, error),
        (RunEvent::Started(Ok(running)), Phase::Starting { secret, .. }) => {
            boot(context, running, secret)
        }
        (RunEvent::Hello(Ok(hello)), Phase::Guest { machine, .. }) => {
            greet(context, machine, hello)
        }
        (RunEvent::Hello(Err(error)), Phase::Guest { machine, .. }) => {
            Stopping::at_once(context, machine, Plan::Crash(error))
        }
        (
            RunEvent::Driver(event),
            Phase::Guest {
                machine,
                _hello,
                deadline,
            },
        ) => match event {
            VmEvent::Exited(reason) => {
                context.vm_gone();
                let message = format!("{} while it booted", describe(&reason));
                crashed(context, ApiError::new(ErrorCode::VmFailed, message))
            }
            VmEvent::HelperFailed(why) => {
                let error = ApiError::new(ErrorCode::VmFailed, why);
                Stopping::at_once(context, machine, Plan::Crash(error))
            }
            event @ (VmEvent::Degraded(_) | VmEvent::Recovered(_)) => {
                match event {
                    VmEvent::Degraded(why) => context.facts.vm.degrade(why),
                    VmEvent::Recovered(why) => context.facts.vm.recover(&why),
                    _ => {}
                }
                State::Booting(Booting(Phase::Guest {
                    machine,
                    _hello,
                    deadline,
                }))
            }
        },
        (
            RunEvent::Deadline(id),
            Phase::Guest {
                machine, deadline, ..
            },
        ) if id == deadline.id => {
            let error = ApiError::new(
                ErrorCode::VmFailed,
                format!(
                    "the guest did not answer within {} s: `coracle logs vm` shows how far it came",
                    context.options.limits.hello.as_secs()
                ),
            );
            let plan = match is_hopeless(context) {
                true => Plan::Fail(error),
                false => Plan::Crash(error),
            };
            Stopping::at_once(context, machine, plan)
        }
        (_, phase) => State::Booting(Booting(phase)),
    }
}

fn start(context: &mut Context, prepared: Prepared) -> State {
    context.announce(
        Stage::Booting,
        format!("Booting the VM ({})", prepared.host.accelerator),
    );
    context.facts.host = Some(prepared.host);
    context.facts.vm.prepared = Some(prepared.sizes);
    context.sockets.policy.send_replace(prepared.policy);
    let (driver, reporter) = (context.options.driver.clone(), context.reporter());
    let task = Task::spawn(async move {
        let started = driver.start(&prepared.config).await;
        let started = started.map_err(prepare::driver_error);
        reporter.send(RunEvent::Started(started)).await;
    });
    State::Booting(Booting(Phase::Starting {
        task,
        secret: prepared.secret,
    }))
}

/// A person's start that cannot even begin is answered and over; a restart tries again.
fn not_started(context: &mut Context, error: ApiError) -> State {
    context.vm_gone();
    if context.crashes.is_empty() {
        tracing::error!(%error, "the VM was not started");
        context.facts.last_error = Some(error);
        Stopped::enter(context)
    } else {
        crashed(context, error)
    }
}

fn boot(context: &mut Context, running: RunningVm, secret: String) -> State {
    let reporter = context.reporter();
    let (machine, transport) = Machine::new(running, reporter.clone());
    let hello = Task::spawn(async move {
        let hello = guest::hello(transport, secret).await;
        reporter.send(RunEvent::Hello(hello)).await;
    });
    let deadline = context.deadline(context.options.limits.hello);
    State::Booting(Booting(Phase::Guest {
        machine,
        _hello: hello,
        deadline,
    }))
}

fn greet(
    context: &mut Context,
    machine: Machine,
    (reply, transport): (HelloReply, Box<dyn ByteStream>),
) -> State {
    context.facts.vm.agent = Some(reply);
    let session = Session::start(
        transport,
        context.sockets.forwarder.clone(),
        context.paths.engine_log(),
        context.reporter(),
    );
    context.announce(Stage::Engine, "Starting the engine");
    EngineStarting::enter(context, super::live::Live { machine, session }, None)
}
