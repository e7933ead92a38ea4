use std::io;

use gdbstub::common::{Signal, Tid};
use gdbstub::target::ext::base::multithread::{
    MultiThreadResume, MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps,
    MultiThreadSingleStep, MultiThreadSingleStepOps,
};

use super::{Process, from_gdb};
use crate::signals;
use crate::tracer::Want;

impl MultiThreadResume for Process {
    fn resume(&mut self) -> Result<(), io::Error> {
        self.tracer.resume();
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), io::Error> {
        self.tracer.want_all_to_continue();
        Ok(())
    }

    fn set_resume_action_continue(
        &mut self,
        tid: Tid,
        signal: Option<Signal>,
    ) -> Result<(), io::Error> {
        self.tracer
            .want(from_gdb(tid), Want::Continue, number(signal));
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Process {
    fn set_resume_action_step(
        &mut self,
        tid: Tid,
        signal: Option<Signal>,
    ) -> Result<(), io::Error> {
        self.tracer.want(from_gdb(tid), Want::Step, number(signal));
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Process {
    /// Called after the actions of single threads.
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), io::Error> {
        self.tracer.hold_the_others();
        Ok(())
    }
}

fn number(signal: Option<Signal>) -> i32 {
    signal.and_then(signals::from_gdb).unwrap_or(0)
}
