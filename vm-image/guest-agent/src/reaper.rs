//! Child processes of PID 1: started, waited for and signalled at this one place.
//!
//! PID 1 inherits every orphan, so it has to wait for any child (`waitpid(-1)`), which takes
//! the exit status away from whoever waits for one of its own. Hence nothing in the agent waits
//! by itself: [`Reaper::spawn`] registers the child and the one loop hands its status out.

use std::collections::HashMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Starts children and waits for all of them.
pub(crate) struct Reaper {
    /// Held while a child is started, so that the loop cannot reap it before it is registered,
    /// nor take it from the standard library, which waits itself for one whose exec failed.
    registered: Mutex<HashMap<Pid, oneshot::Sender<ExitStatus>>>,
}

/// A child that has been started.
pub(crate) struct Running {
    /// Its process id, valid for [`Reaper::signal`] whether or not it has ended.
    pub(crate) pid: Pid,
    /// Its pipes, if the command asked for them. It must not be waited for.
    pub(crate) pipes: Child,
    /// Its end.
    pub(crate) exit: Exit,
}

/// The end of a child, to be awaited once.
pub(crate) struct Exit(oneshot::Receiver<ExitStatus>);

impl Exit {
    /// Waits for the end. Cancel safe.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        // The sender is dropped only with the reaper, which lives as long as the agent.
        (&mut self.0)
            .await
            .unwrap_or_else(|_| ExitStatus::from_raw(0xff00))
    }
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The child alone.
    Process,
    /// Every process in the group that the child leads.
    Group,
}

impl Reaper {
    /// Starts the loop. It never ends; the handle is for noticing that it did.
    pub(crate) fn start() -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let reaper = Arc::new(Self {
            registered: Mutex::default(),
        });
        let mut children = signal(SignalKind::child())?;
        let own = reaper.clone();
        let task = tokio::spawn(async move {
            while children.recv().await.is_some() {
                own.reap();
            }
        });
        Ok((reaper, task))
    }

    /// Starts `command` and registers the child.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Running> {
        let mut registered = self.lock();
        let child = command.spawn()?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let (ended, exit) = oneshot::channel();
        registered.insert(pid, ended);
        drop(registered);
        Ok(Running {
            pid,
            pipes: child,
            exit: Exit(exit),
        })
    }

    /// Signals a child of [`spawn`](Self::spawn); does nothing once it has been reaped (its number
    /// may be another process's by then).
    pub(crate) fn signal(&self, pid: Pid, target: Target, signal: Signal) {
        let registered = self.lock();
        if !registered.contains_key(&pid) {
            return;
        }
        let outcome = match target {
            Target::Process => kill(pid, signal),
            Target::Group => killpg(pid, signal),
        };
        if let Err(error) = outcome {
            tracing::warn!("{signal} did not reach {pid}: {error}");
        }
    }

    fn reap(&self) {
        let mut registered = self.lock();
        loop {
            let (pid, status) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => {
                    (pid, ExitStatus::from_raw((code & 0xff) << 8))
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid, ExitStatus::from_raw(signal as i32))
                }
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if let Some(ended) = registered.remove(&pid) {
                // Nobody has to be interested.
                let _ = ended.send(status);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, oneshot::Sender<ExitStatus>>> {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A test process has one reaper at a time: two would take each other's children.
#[cfg(test)]
pub(crate) static ONE_REAPER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_status_reaches_its_owner() {
        let _alone = ONE_REAPER.lock().await;
        let (reaper, _task) = Reaper::start().unwrap();
        let mut children: Vec<_> = (0..50)
            .map(|code| {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", &format!("exit {code}")]);
                (code, reaper.spawn(&mut command).unwrap())
            })
            .collect();
        for (code, child) in &mut children {
            assert_eq!(child.exit.wait().await.code(), Some(*code));
        }

        assert!(reaper.spawn(&mut Command::new("/nowhere")).is_err());

        let mut sleeper = reaper
            .spawn(Command::new("/bin/sleep").arg("1000"))
            .unwrap();
        reaper.signal(sleeper.pid, Target::Process, Signal::SIGKILL);
        assert_eq!(sleeper.exit.wait().await.signal(), Some(9));
        reaper.signal(sleeper.pid, Target::Process, Signal::SIGKILL);
    }
}
