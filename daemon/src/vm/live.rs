use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_guest_api::status::AgentEvent;
use coracle_vm_driver::VmEvent;

use super::crash::crashed;
use super::machine::{Machine, describe};
use super::stopping::{Plan, Stopping};
use super::{Context, Input, State};
use crate::event::RunEvent;
use crate::guest::Session;

/// A VM whose agent has said hello.
pub(super) struct Live {
    pub(super) machine: Machine,
    pub(super) session: Session,
}

/// What an input means to a live VM, whatever its engine does.
pub(super) enum Step {
    /// It leaves this life.
    To(State),
    /// It was taken note of.
    Stay(Live),
    /// It is for the state itself.
    Yours(Live, RunEvent),
}

impl Live {
    pub(super) fn on(self, context: &mut Context, input: Input) -> Step {
        let failed = |why| Plan::Crash(ApiError::new(ErrorCode::VmFailed, why));
        match input {
            Input::Start | Input::Wanted => Step::Stay(self),
            Input::Stop | Input::Shutdown | Input::Restart | Input::Reset => {
                Step::To(Stopping::in_order(context, self, Plan::of(input)))
            }
            Input::Restore => Step::To(Stopping::at_once(context, self.machine, Plan::Start)),
            Input::Event(RunEvent::Driver(VmEvent::Exited(reason))) => {
                context.vm_gone();
                let error = ApiError::new(ErrorCode::VmFailed, describe(&reason));
                Step::To(crashed(context, error))
            }
            Input::Event(RunEvent::Driver(VmEvent::HelperFailed(why))) => {
                Step::To(Stopping::in_order(context, self, failed(why)))
            }
            Input::Event(RunEvent::TransportEnded(id)) if id == self.session.id => {
                let plan = failed("the connection to the guest agent has ended".into());
                Step::To(Stopping::lost(context, self, plan))
            }
            Input::Event(RunEvent::Driver(VmEvent::Degraded(why))) => {
                context.facts.vm.degrade(why);
                Step::Stay(self)
            }
            Input::Event(RunEvent::Driver(VmEvent::Recovered(why))) => {
                context.facts.vm.recover(&why);
                Step::Stay(self)
            }
            Input::Event(RunEvent::Agent(AgentEvent::Degraded { reasons })) => {
                context.facts.vm.degraded_guest = reasons;
                Step::Stay(self)
            }
            Input::Event(RunEvent::Asleep(asleep)) => {
                context.facts.vm.asleep = asleep;
                context.facts.vm.taken = None;
                Step::Stay(self)
            }
            Input::Event(RunEvent::Taken(usage, percent)) => {
                context.facts.vm.taken = Some((usage, percent));
                Step::Stay(self)
            }
            Input::Event(event) => Step::Yours(self, event),
        }
    }
}
