use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_guest_api::HelloReply;
use coracle_vm_driver::{ByteStream, RunningVm, VmEvent};

use super::crash::{crashed, is_hopeless};
use super::engine_starting::EngineStarting;
use super::machine::{Deadline, Machine, Origin, describe};
use super::prepare::{self, Prepared};
use super::resume::resume;
use super::stopped::Stopped;
use super::stopping::{Plan, Stopping};
use super::{Context, Input, State};
use crate::event::RunEvent;
use crate::guest::{self, Session};
use crate::memory::{Greeting, Record, Token};
use crate::task::Task;
use crate::waiters::Goal;

/// From the look at the host until the agent's hello.
pub(super) struct Booting(Phase);

enum Phase {
    /// Nothing has been started yet.
    Preparing { _task: Task },
    /// The driver is at it.
    Starting {
        task: Task,
        origin: Box<Origin>,
        /// With saved memory: how the first words go.
        resumed: Option<Greeting>,
    },
    /// The guest boots.
    Guest {
        machine: Machine,
        _hello: Task,
        deadline: Deadline,
    },
}

impl Phase {
    fn is_resumed(&self) -> bool {
        match self {
            Self::Preparing { .. } => false,
            Self::Starting { origin, .. } => origin.resumed,
            Self::Guest { machine, .. } => machine.origin.resumed,
        }
    }
}

impl Booting {
    pub(super) fn enter(context: &mut Context) -> State {
        context.engine_soon("the VM is starting");
        if let Some(sentence) = context.unfinished.take() {
            context.announce(Stage::Checking, sentence);
        }
        let task = Task::spawn(prepare::run(
            context.options.clone(),
            context.paths.clone(),
            context.settings.clone(),
            context.reporter(),
        ));
        State::Booting(Self(Phase::Preparing { _task: task }))
    }

    /// A VM that was to be suspended and was not: its agent waits for the token.
    pub(super) fn greet_again(
        context: &mut Context,
        machine: Machine,
        transport: Box<dyn ByteStream>,
        token: Token,
    ) -> State {
        context.engine_soon("the VM was not suspended and is back in a moment");
        let greeting = Greeting {
            token,
            recall: false,
        };
        await_hello(context, machine, transport, Some(greeting))
    }

    pub(super) fn on(self, context: &mut Context, input: Input) -> State {
        match (input, self.0) {
            (Input::Start, phase) => {
                context.when_up = None;
                State::Booting(Self(phase))
            }
            // What runs in it must not be cut off for that: in a second it can be done in order.
            (wish @ (Input::Stop | Input::Shutdown | Input::Restart), phase)
                if phase.is_resumed() =>
            {
                context.when_up = Some(wish);
                State::Booting(Self(phase))
            }
            (Input::Event(event), phase) => on_event(context, event, phase),
            (wish, Phase::Preparing { .. }) => {
                context.vm_gone();
                Stopped::enter(context);
                Stopped::default().on(context, wish)
            }
            (wish, Phase::Starting { task, origin, .. }) => {
                Stopping::while_starting(context, task, origin, Plan::of(wish))
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
        | (RunEvent::Started(Err(error)), Phase::Starting { resumed: None, .. }) => {
            not_started(context, error)
        }
        (RunEvent::Started(Err(error)), Phase::Starting { .. }) => not_resumed(context, &error),
        (
            RunEvent::Started(Ok(running)),
            Phase::Starting {
                origin, resumed, ..
            },
        ) => boot(context, running, origin, resumed),
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
    let (stage, verb) = match prepared.memory {
        Some(_) => (Stage::Resuming, "Resuming"),
        None => {
            // What they debugged is not in the guest that boots.
            context.sockets.debugging.clear();
            let error = ApiError::new(
                ErrorCode::VmFailed,
                "the data disk is as it was in the snapshot, but its memory cannot be resumed: the VM boots from \
                 the disk, without the containers that ran then",
            );
            context.refusals.push((Goal::Restored, error));
            // What runs then asks for its ports, which may lead elsewhere.
            context.sockets.forwarder.clear();
            context.sockets.guests.detach();
            (Stage::Booting, "Booting")
        }
    };
    let accelerator = &prepared.host.accelerator;
    context.announce(stage, format!("{verb} the VM ({accelerator})"));
    context.facts.host = Some(prepared.host);
    context.facts.vm.prepared = Some(prepared.sizes);
    context.sockets.policy.send_replace(prepared.policy);
    let (driver, reporter) = (context.options.driver.clone(), context.reporter());
    let origin = Box::new(Origin {
        secret: prepared.secret,
        fit: prepared.fit,
        resumed: prepared.memory.is_some(),
        settings: context.settings.clone(),
    });
    let resumed = prepared.memory.as_ref().map(Record::greeting);
    let memory = context.memory.clone();
    let task = Task::spawn(async move {
        let started = match prepared.memory {
            Some(record) => resume(driver, &prepared.config, memory, record)
                .await
                .map_err(|why| ApiError::new(ErrorCode::VmFailed, why)),
            None => driver
                .start(&prepared.config)
                .await
                .map_err(prepare::driver_error),
        };
        reporter.send(RunEvent::Started(started)).await;
    });
    State::Booting(Booting(Phase::Starting {
        task,
        origin,
        resumed,
    }))
}

/// The memory is of no use: the data disk is.
fn not_resumed(context: &mut Context, error: &ApiError) -> State {
    context.vm_gone();
    let said = prepare::set_aside(&context.memory, &error.message);
    context.announce(Stage::Checking, said);
    Booting::enter(context)
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

fn boot(
    context: &mut Context,
    running: RunningVm,
    origin: Box<Origin>,
    resumed: Option<Greeting>,
) -> State {
    let (machine, transport) = Machine::new(running, origin, context.reporter());
    await_hello(context, machine, transport, resumed)
}

fn await_hello(
    context: &mut Context,
    machine: Machine,
    transport: Box<dyn ByteStream>,
    greeting: Option<Greeting>,
) -> State {
    let (secret, clock) = (machine.origin.secret.clone(), context.options.clock);
    let reporter = context.reporter();
    let hello = Task::spawn(async move {
        let hello = guest::hello(transport, secret, greeting, clock).await;
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
        context.session(),
        transport,
        context.sockets.forwarder.clone(),
        context.paths.engine_log(),
        context.options.clock,
        context.reporter(),
    );
    context.vm_is_back(session.opener().clone());
    context.announce(Stage::Engine, "Starting the engine");
    EngineStarting::enter(context, super::live::Live { machine, session }, None)
}
