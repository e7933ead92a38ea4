//! A program that has to run all the time: started, logged, started again.

use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::command;
use crate::log_ring::LogRing;
use crate::reaper::{Reaper, Running, Target};

/// How many of its last lines tell why a program ended.
const LAST_WORDS: usize = 5;

/// What to run.
pub(crate) struct Service {
    /// Its name in sentences.
    pub(crate) name: &'static str,
    /// The program and its arguments.
    pub(crate) command: Command,
    /// Removed before each start: what a killed predecessor leaves.
    pub(crate) stale: &'static [&'static str],
    /// Its preference as a victim when memory runs out, from -1000 (never).
    pub(crate) oom_score: i32,
    /// Where its output goes.
    pub(crate) log: Arc<LogRing>,
}

/// Something happened to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServiceEvent {
    /// It runs.
    Started,
    /// It ended, or did not start; one sentence and its last lines.
    Ended(String),
}

/// A service under supervision.
pub(crate) struct Supervised {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Service {
    /// Runs it from now on, reporting each start and each end that was not asked for.
    pub(crate) fn supervise(
        self,
        reaper: Arc<Reaper>,
        events: mpsc::Sender<ServiceEvent>,
    ) -> Supervised {
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(self.run(reaper, events, stopping));
        Supervised { stop, task }
    }

    async fn run(
        mut self,
        reaper: Arc<Reaper>,
        events: mpsc::Sender<ServiceEvent>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let mut back_off = BackOff::default();
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        loop {
            for path in self.stale {
                let _ = fs::remove_file(path);
            }
            let started = Instant::now();
            let reason = match self.start(&reaper) {
                Err(error) => format!("{} could not be started: {error}.", self.name),
                Ok((mut running, records)) => {
                    let _ = events.send(ServiceEvent::Started).await;
                    let status = tokio::select! {
                        status = running.exit.wait() => Some(status),
                        () = asked(&mut stopping) => None,
                    };
                    let Some(status) = status else {
                        return self.stop(&reaper, running, records).await;
                    };
                    finish(records).await;
                    self.obituary(status)
                }
            };
            tracing::warn!("{reason}");
            let _ = events.send(ServiceEvent::Ended(reason)).await;
            tokio::select! {
                () = tokio::time::sleep(back_off.after(started.elapsed())) => {}
                () = asked(&mut stopping) => return,
            }
        }
    }

    fn start(&mut self, reaper: &Reaper) -> io::Result<(Running, JoinSet<()>)> {
        let mut running = reaper.spawn(&mut self.command)?;
        let pid = running.pid;
        if let Err(error) = fs::write(
            format!("/proc/{pid}/oom_score_adj"),
            self.oom_score.to_string(),
        ) {
            tracing::warn!(
                "{} is not protected from lack of memory: {error}",
                self.name
            );
        }
        let outputs = [
            running.pipes.stdout.take().map(command::reader),
            running.pipes.stderr.take().map(command::reader),
        ];
        let mut records = JoinSet::new();
        for output in outputs.into_iter().flatten() {
            let (log, output) = (self.log.clone(), output?);
            records.spawn(async move { log.record(output).await });
        }
        tracing::info!("{} started as process {pid}", self.name);
        Ok((running, records))
    }

    async fn stop(&self, reaper: &Reaper, mut running: Running, records: JoinSet<()>) {
        reaper.signal(running.pid, Target::Process, Signal::SIGTERM);
        let patience = Duration::from_secs(20);
        if tokio::time::timeout(patience, running.exit.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                "{} did not stop within {patience:?} and is killed",
                self.name
            );
            reaper.signal(running.pid, Target::Process, Signal::SIGKILL);
            running.exit.wait().await;
        }
        finish(records).await;
    }

    fn obituary(&self, status: ExitStatus) -> String {
        let end = match status.signal() {
            Some(number) => match Signal::try_from(number) {
                Ok(signal) => format!("was ended by {signal}"),
                Err(_) => format!("was ended by signal {number}"),
            },
            None => format!("ended with status {}", status.code().unwrap_or(-1)),
        };
        let last = self.log.last(LAST_WORDS).join("\n");
        format!("{} {end}. Its last lines:\n{last}", self.name)
    }
}

/// Returns when the service is to stop, or nobody is left who could say so.
async fn asked(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Reads the last lines of a program that has ended. Whoever inherited its output may hold it
/// open for long: those lines are let go.
async fn finish(mut records: JoinSet<()>) {
    let all = async { while records.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_millis(500), all).await;
    records.detach_all();
}

impl Supervised {
    /// Asks it to end, kills it after a while, waits until it is gone.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!("a supervisor failed: {error}");
        }
    }
}

/// Growing pauses between starts: 0.2 s, doubled up to 10 s, begun anew after a minute of life.
#[derive(Default)]
struct BackOff {
    failures: u32,
}

impl BackOff {
    /// The pause after a life of this length.
    fn after(&mut self, lived: Duration) -> Duration {
        if lived >= Duration::from_secs(60) {
            self.failures = 0;
        }
        let pause = Duration::from_millis(200) * 2u32.pow(self.failures.min(10));
        self.failures += 1;
        pause.min(Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests;
