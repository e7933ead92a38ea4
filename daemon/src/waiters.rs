//! Clients that wait for the VM to get somewhere.

use coracle_daemon_api::{ApiError, ErrorCode, Progress, Stage, Status, VmState};

use crate::event::ProgressSender;

/// Where a client wants the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Running.
    Up,
    /// Running, as it did when a snapshot was taken.
    Restored,
    /// Not running.
    Down,
    /// Not running, without data disk.
    Empty,
    /// Wherever it is, with the work on a snapshot done.
    Snapshot,
}

/// Those who wait.
#[derive(Default)]
pub(crate) struct Waiters(Vec<(Goal, ProgressSender)>);

impl Waiters {
    pub(crate) fn add(&mut self, goal: Goal, progress: ProgressSender) {
        self.0.push((goal, progress));
    }

    /// Tells all where things are.
    pub(crate) fn announce(&self, stage: Stage, message: &str) {
        for (_, progress) in &self.0 {
            let message = message.to_owned();
            let _ = progress.send(Progress::Stage { stage, message });
        }
    }

    /// Answers those whose goal is reached or out of reach.
    pub(crate) fn settle(&mut self, status: &Status) {
        self.0.retain(|(goal, progress)| {
            let Some(outcome) = outcome(*goal, status) else {
                return true;
            };
            let _ = progress.send(match outcome {
                Ok(()) => Progress::Done {
                    status: Box::new(status.clone()),
                },
                Err(error) => Progress::Failed { error },
            });
            false
        });
    }

    /// Answers those who wait for this goal: it is not to be.
    pub(crate) fn refuse(&mut self, refused: Goal, error: &ApiError) {
        self.conclude(refused, &Err(error.clone()));
    }

    /// Answers those who wait for this goal: with the status after it, or why it is not to be.
    pub(crate) fn conclude(&mut self, concluded: Goal, outcome: &Result<Status, ApiError>) {
        self.0.retain(|(goal, progress)| {
            if *goal != concluded {
                return true;
            }
            let _ = progress.send(match outcome.clone() {
                Ok(status) => Progress::Done {
                    status: Box::new(status),
                },
                Err(error) => Progress::Failed { error },
            });
            false
        });
    }

    /// Answers all who still wait.
    pub(crate) fn dismiss(&mut self, error: &ApiError) {
        for (_, progress) in self.0.drain(..) {
            let error = error.clone();
            let _ = progress.send(Progress::Failed { error });
        }
    }
}

fn outcome(goal: Goal, status: &Status) -> Option<Result<(), ApiError>> {
    use VmState::{Failed, Running, Stopped, Stopping, Suspended};
    let stopped = || {
        ApiError::new(
            ErrorCode::WrongState,
            "the VM was stopped before it was up: `coracle start` starts it again",
        )
    };
    let last_error = || status.vm.last_error.clone();
    match (goal, status.vm.state) {
        (Goal::Up | Goal::Restored, Running) => Some(Ok(())),
        (Goal::Up | Goal::Restored, Stopped | Suspended | Failed) => {
            Some(Err(last_error().unwrap_or_else(stopped)))
        }
        (Goal::Up | Goal::Restored | Goal::Snapshot, _) => None,
        (Goal::Down | Goal::Empty, Stopping) => None,
        (Goal::Down, _) => Some(Ok(())),
        (Goal::Empty, _) => Some(last_error().map_or(Ok(()), Err)),
    }
}
