use std::sync::Arc;

use coracle_vm_driver::{ByteStream, ExitReason, RunningVm, Vm, VmEvent};

use crate::event::{Reporter, RunEvent};
use crate::memory::Fit;
use crate::settings::Settings;
use crate::task::Task;

/// A VM that has been started. Dropping it ends the VM at once.
pub(super) struct Machine {
    pub(super) vm: Arc<dyn Vm>,
    pub(super) origin: Box<Origin>,
    _events: Task,
}

/// How a VM was made.
#[derive(Clone)]
pub(super) struct Origin {
    /// Of this boot.
    pub(super) secret: String,
    /// What its memory fits, where memory can be saved.
    pub(super) fit: Option<Fit>,
    pub(super) settings: Settings,
    /// Whether it came from saved memory.
    pub(super) resumed: bool,
}

impl Machine {
    /// Begins to report what happens to the VM; gives its transport back.
    pub(super) fn new(
        running: RunningVm,
        origin: Box<Origin>,
        reporter: Reporter,
    ) -> (Self, Box<dyn ByteStream>) {
        let RunningVm {
            vm,
            transport,
            mut events,
        } = running;
        let events = Task::spawn(async move {
            while let Some(event) = events.recv().await {
                let last = matches!(event, VmEvent::Exited(_));
                reporter.send(RunEvent::Driver(event)).await;
                if last {
                    return;
                }
            }
            let reason = ExitReason::Failed("the driver reports nothing any more".into());
            reporter
                .send(RunEvent::Driver(VmEvent::Exited(reason)))
                .await;
        });
        let machine = Self {
            vm: vm.into(),
            origin,
            _events: events,
        };
        (machine, transport)
    }
}

/// A time that a state waits for; forgotten when the state is left.
pub(super) struct Deadline {
    pub(super) id: u64,
    pub(super) _task: Task,
}

/// How a VM ended, for the person.
pub(super) fn describe(reason: &ExitReason) -> String {
    match reason {
        ExitReason::GuestPoweredOff => "the guest powered itself off".into(),
        ExitReason::GuestCrashed => {
            "the guest's kernel stopped (`coracle logs vm` shows its last words)".into()
        }
        ExitReason::Killed => "the VM was killed".into(),
        ExitReason::Failed(why) => format!("the hypervisor ended: {why}"),
    }
}
