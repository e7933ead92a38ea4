use std::sync::Arc;

use coracle_daemon_api::{ApiError, ErrorCode, Stage};
use coracle_engine_proxy::EngineAccess;
use coracle_vm_driver::{ByteStream, Vm, VmEvent};
use tokio::time::Instant;

use super::booting::Booting;
use super::engine_starting::EngineStarting;
use super::live::Live;
use super::machine::Machine;
use super::prepare::driver_error;
use super::stopped::Stopped;
use super::stopping::{Plan, Stopping};
use super::{Context, Input, State};
use crate::event::RunEvent;
use crate::guest::{NotLeft, Session};
use crate::image::Image;
use crate::memory::{Fit, SavedMemory, Token};
use crate::task::Task;
use crate::waiters::Goal;

/// The agent leaves the transport, the memory goes to the disk, the VM ends.
pub(super) struct Suspending {
    machine: Machine,
    fit: Fit,
    token: Token,
    /// Once the agent has left it.
    transport: Option<Box<dyn ByteStream>>,
    /// Never interrupted: it reports how it ended, within a bounded time.
    _task: Task,
    /// What a person wants after it.
    then: Option<Input>,
    /// Something that the VM cannot do without has ended.
    trouble: Option<ApiError>,
    /// Nobody uses it, and whoever does has it back.
    until_wanted: bool,
}

impl Suspending {
    /// Shuts down instead where suspending cannot be, or would be in vain.
    pub(super) fn enter(context: &mut Context, live: Live) -> State {
        let fit = match why_not(&live.machine, context) {
            Ok(fit) => fit,
            Err(why) => {
                let said = format!("The VM is shut down, not suspended: {why}");
                context.announce(Stage::Stopping, said);
                return Stopping::in_order(context, live, Plan::Stop);
            }
        };
        context.engine_down("the VM is being suspended: `coracle start` resumes it");
        context.announce(
            Stage::Suspending,
            "Suspending the VM; connections into it end, its containers and their debuggers stay",
        );
        Self::begin(context, live, fit, false)
    }

    /// A VM that nobody uses, which comes back when somebody does; as it was where that cannot be, or where
    /// somebody uses it just now.
    pub(super) fn unless_used(context: &mut Context, live: Live) -> Result<State, Box<Live>> {
        let Ok(fit) = why_not(&live.machine, context) else {
            return Err(Box::new(live));
        };
        // In this order: whoever comes from now on waits, and who has come before is seen.
        context.vm_is_away();
        let activity = live.session.opener().activity();
        if activity.is_asleep() && activity.open() == 0 {
            tracing::info!("nobody uses the VM: it is suspended");
            return Ok(Self::begin(context, live, fit, true));
        }
        let opener = live.session.opener().clone();
        context.vm_is_back(opener.clone());
        let access = &context.sockets.access;
        access.send_replace(EngineAccess::Ready(opener));
        Err(Box::new(live))
    }

    fn begin(context: &mut Context, live: Live, fit: Fit, until_wanted: bool) -> State {
        let Live { machine, session } = live;
        let token = rand::random();
        let (vm, memory) = (machine.vm.clone(), context.memory.clone());
        let (bound, reporter) = (context.options.limits.sync, context.reporter());
        let task = Task::spawn(async move {
            let left = match room(&*vm, &memory).await {
                Ok(()) => session.leave(token, bound).await,
                Err(error) => Err(NotLeft::Stays(session, error)),
            };
            reporter.send(RunEvent::Left(left)).await;
        });
        State::Suspending(Box::new(Self {
            machine,
            fit,
            token,
            transport: None,
            _task: task,
            then: None,
            trouble: None,
            until_wanted,
        }))
    }

    pub(super) fn is_until_wanted(&self) -> bool {
        self.until_wanted
    }

    pub(super) fn on(mut self, context: &mut Context, input: Input) -> State {
        match input {
            Input::Event(event) => return self.on_event(context, event),
            // A deletion that someone was promised is not taken back.
            Input::Start | Input::Stop if matches!(self.then, Some(Input::Reset)) => {}
            Input::Stop => {
                self.then = None;
                self.until_wanted = false;
            }
            Input::Wanted if self.until_wanted => {
                self.then.get_or_insert(Input::Start);
            }
            Input::Wanted => {}
            wish => self.then = Some(wish),
        }
        State::Suspending(Box::new(self))
    }

    fn on_event(mut self, context: &mut Context, event: RunEvent) -> State {
        match event {
            RunEvent::Left(Ok(transport)) => self.save(context, transport),
            RunEvent::Left(Err(NotLeft::Stays(session, error))) => {
                self.stay(context, session, error)
            }
            RunEvent::Left(Err(NotLeft::Lost(error))) => self.lost(context, error),
            RunEvent::Saved(Ok(())) => {
                let state = match self.until_wanted {
                    true => {
                        context.vm_dozes();
                        Stopped::doze(context)
                    }
                    false => {
                        context.vm_sleeps();
                        Stopped::enter(context)
                    }
                };
                match (self.then, state) {
                    (Some(wish), State::Stopped(stopped)) => stopped.on(context, wish),
                    (_, state) => state,
                }
            }
            RunEvent::Saved(Err(error)) => self.wake(context, error),
            RunEvent::Driver(VmEvent::HelperFailed(why)) => {
                self.trouble = Some(ApiError::new(ErrorCode::VmFailed, why));
                State::Suspending(Box::new(self))
            }
            RunEvent::Driver(VmEvent::Degraded(why)) => {
                context.facts.vm.degrade(why);
                State::Suspending(Box::new(self))
            }
            RunEvent::Driver(VmEvent::Recovered(why)) => {
                context.facts.vm.recover(&why);
                State::Suspending(Box::new(self))
            }
            // Also the VM's end: the task sees it too, and says what became of the memory.
            _ => State::Suspending(Box::new(self)),
        }
    }

    fn save(mut self, context: &mut Context, transport: Box<dyn ByteStream>) -> State {
        self.transport = Some(transport);
        let (vm, memory) = (self.machine.vm.clone(), context.memory.clone());
        let (fit, token, reporter) = (self.fit.clone(), self.token, context.reporter());
        self._task = Task::spawn(async move {
            let saved = save(vm, memory, fit, token).await;
            reporter.send(RunEvent::Saved(saved)).await;
        });
        State::Suspending(Box::new(self))
    }

    /// The agent was not asked to leave, or did not want to: everything is as it was.
    fn stay(self, context: &mut Context, session: Session, error: ApiError) -> State {
        let machine = self.machine;
        // Whoever wants something else than the suspension can have it now.
        if let Some(wish @ (Input::Shutdown | Input::Restart | Input::Restore | Input::Reset)) =
            self.then
        {
            let live = Live { machine, session };
            return Stopping::in_order(context, live, Plan::of(wish));
        }
        refuse(context, error);
        match self.trouble {
            Some(trouble) => {
                Stopping::in_order(context, Live { machine, session }, Plan::Crash(trouble))
            }
            None => EngineStarting::again(context, Live { machine, session }),
        }
    }

    /// The memory was not saved and the guest goes on, with an agent that has left the transport.
    fn wake(self, context: &mut Context, error: ApiError) -> State {
        let Self {
            machine,
            token,
            transport,
            then,
            trouble,
            ..
        } = self;
        if let Some(wish @ (Input::Shutdown | Input::Restart | Input::Restore | Input::Reset)) =
            then
        {
            return Stopping::at_once(context, machine, Plan::of(wish));
        }
        match (trouble, transport) {
            (None, Some(transport)) => {
                refuse(context, error);
                Booting::greet_again(context, machine, transport, token)
            }
            (trouble, _) => {
                let error = trouble.unwrap_or(error);
                refuse(context, error.clone());
                Stopping::at_once(context, machine, Plan::Crash(error))
            }
        }
    }

    fn lost(self, context: &mut Context, error: ApiError) -> State {
        refuse(context, error.clone());
        let plan = match self.then {
            Some(wish) => Plan::of(wish),
            None => Plan::Crash(error),
        };
        Stopping::at_once(context, self.machine, plan)
    }
}

/// What the memory would fit, or the clause why it is not saved.
pub(super) fn why_not(machine: &Machine, context: &Context) -> Result<Fit, &'static str> {
    let origin = &machine.origin;
    if machine.vm.suspend().is_none() {
        return Err("that takes QEMU 9.0 and virtiofsd 1.13 or newer");
    }
    if !origin.settings.is_same_machine(&context.settings) {
        return Err("its settings have changed");
    }
    let fit = origin.fit.clone().ok_or("the driver cannot resume it")?;
    // An upgrade under a VM that runs. An image that is not there may be there again at the next start.
    let image = Image::find(&context.options.image_dir);
    if image.is_ok_and(|image| image.identity != fit.image) {
        return Err("its image was replaced by another one");
    }
    Ok(fit)
}

fn refuse(context: &mut Context, error: ApiError) {
    tracing::warn!(%error, "the VM was not suspended");
    context.refusals.push((Goal::Down, error));
}

/// What the VM takes now is the most that its memory can take.
async fn room(vm: &dyn Vm, memory: &SavedMemory) -> Result<(), ApiError> {
    let usage = vm.usage().await.map_err(driver_error)?;
    memory.check_room(usage.resident_bytes)
}

/// From the running VM to its memory on the disk and no VM. If it fails the guest goes on, as far
/// as it can.
async fn save(
    vm: Arc<dyn Vm>,
    memory: SavedMemory,
    fit: Fit,
    token: Token,
) -> Result<(), ApiError> {
    let suspend = vm.suspend().ok_or_else(|| {
        let why = "this VM cannot be suspended";
        ApiError::new(ErrorCode::Internal, why)
    })?;
    let saved = async {
        let begun = Instant::now();
        suspend.pause().await.map_err(driver_error)?;
        let file = memory
            .new_file()
            .map_err(|error| ApiError::host("cannot write the VM's memory", &error))?;
        let checked = suspend.save(&file).await.map_err(driver_error)?;
        let saved = begun.elapsed();
        let memory = memory.clone();
        tokio::task::spawn_blocking(move || memory.commit(fit, token, checked))
            .await
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))??;
        tracing::info!(?saved, committed = ?begun.elapsed(), "the memory is on the disk");
        Ok(())
    };
    match saved.await {
        Ok(()) => {
            if let Err(error) = vm.kill().await {
                tracing::error!(%error, "the suspended VM could not be killed");
            }
            Ok(())
        }
        Err(error) => {
            // What was written is of no use, and may be what fills the disk.
            let _ = memory.new_file();
            if let Err(error) = suspend.unpause().await {
                tracing::warn!(%error, "the guest does not go on");
            }
            Err(error)
        }
    }
}
