//! A VM that nobody uses is paused, later suspended, and goes on when somebody uses it. Why so:
//! `docs/adr/0011-idle.md`.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coracle_guest_api::mux::Opener;
use coracle_vm_driver::{Vm, VmUsage};
use hyper::{Method, StatusCode};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::engine::{self, Failure};
use crate::event::{Reporter, RunEvent};
use crate::task::Task;

/// A container with this label, whatever its value, keeps the VM awake while it runs.
const KEEP_AWAKE: &str = "dev.coracle.keep-awake";

/// How often in the time of silence it is looked.
const LOOKS: u32 = 5;

/// Bounds of the time between two looks.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(15);

/// For the engine to say who keeps it awake.
const ANSWER: Duration = Duration::from_secs(10);

/// What goes over the guest's network of itself in the time of silence, in bytes: announcements of the router.
const OWN_BYTES: u64 = 1024;

/// Steps in which clients hear of the VM's memory and share of a processor: each is an event for all of them.
const MEMORY_STEP: u64 = 64 << 20;
const CPU_STEP: u64 = 5;

/// Between two attempts to let a VM go on.
const RETRY: Duration = Duration::from_millis(500);

/// When a VM counts as unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Idle {
    /// After this long without a byte over a stream; None for never.
    pub(crate) after: Option<Duration>,
    /// After it has slept this long it is suspended; None for never.
    pub(crate) suspend_after: Option<Duration>,
    /// With the VM taking less than this of one processor all the while, in percent.
    pub(crate) cpu_percent: u64,
}

/// One VM, put to sleep and woken.
pub(crate) struct Sleeper {
    pub(crate) vm: Arc<dyn Vm>,
    pub(crate) opener: Opener,
    /// Told that the guest has stood still.
    pub(crate) behind: Arc<Notify>,
    pub(crate) idle: watch::Receiver<Idle>,
    pub(crate) reporter: Reporter,
    /// What was told last of its memory and of the processors, in steps.
    pub(crate) told: Option<(u64, u64)>,
}

impl Sleeper {
    /// Until the task is dropped. A VM whose memory cannot be saved can be paused all the same, if its
    /// driver can pause at all.
    pub(crate) fn spawn(self) -> Task {
        Task::spawn(self.run())
    }

    async fn run(mut self) {
        if self.vm.suspend().is_none() {
            return;
        }
        let mut network_bytes = None;
        loop {
            let pieces = self.unused().await;
            let asked = async {
                Ok::<_, Failure>(
                    self.is_kept_awake().await? || !self.is_silent(&mut network_bytes).await?,
                )
            };
            match timeout(ANSWER, asked).await {
                Ok(Ok(false)) => {
                    if self.opener.activity().fall_asleep(pieces) {
                        self.sleep().await;
                    }
                }
                Ok(Ok(true)) => {}
                Ok(Err(error)) => tracing::debug!(%error, "who keeps the VM awake is not known"),
                Err(_) => tracing::debug!("the engine did not say who keeps the VM awake"),
            }
        }
    }

    /// Waits until nobody has used the VM for long enough; returns the count of pieces since then.
    async fn unused(&mut self) -> u64 {
        let mut since = Instant::now();
        let mut looked = Look::at(&self.opener, &*self.vm).await;
        loop {
            let idle = *self.idle.borrow_and_update();
            let pause = idle.after.map_or(LONGEST, |after| after / LOOKS);
            tokio::select! {
                () = sleep(pause.clamp(SHORTEST, LONGEST)) => {}
                Ok(()) = self.idle.changed() => {}
            }
            let now = Look::at(&self.opener, &*self.vm).await;
            self.tell(&now, &looked).await;
            if idle.after.is_none() || now.is_busy_since(&looked, idle.cpu_percent) {
                since = now.at;
            }
            looked = now;
            if idle.after.is_some_and(|after| since.elapsed() >= after) {
                return looked.pieces;
            }
        }
    }

    /// Tells what the VM takes when that is another figure than last.
    async fn tell(&mut self, now: &Look, earlier: &Look) {
        let Some((usage, percent)) = now.taken_since(earlier) else {
            return;
        };
        let rough = (usage.resident_bytes / MEMORY_STEP, percent / CPU_STEP);
        if self.told.replace(rough) != Some(rough) {
            self.reporter.send(RunEvent::Taken(usage, percent)).await;
        }
    }

    async fn is_kept_awake(&self) -> Result<bool, Failure> {
        let path = format!("/containers/json?filters=%7B%22label%22%3A%5B%22{KEEP_AWAKE}%22%5D%7D");
        let opener = self.opener.in_background();
        let asked = engine::request(&opener, Method::GET, &path, Bytes::new());
        let (status, body) = asked.await?;
        if status != StatusCode::OK {
            return Err(format!("the engine answered with {status}").into());
        }
        let containers: Vec<serde::de::IgnoredAny> = serde_json::from_slice(&body)?;
        Ok(!containers.is_empty())
    }

    /// Whether little has gone over the guest's network since this was asked last.
    async fn is_silent(&self, network_bytes: &mut Option<u64>) -> Result<bool, Failure> {
        let status = engine::status(&self.opener.in_background()).await?;
        let before = network_bytes.replace(status.network_bytes);
        Ok(before.is_some_and(|before| status.network_bytes.saturating_sub(before) <= OWN_BYTES))
    }

    /// Waits until somebody writes to it, and says when that takes long.
    async fn wanted(&self) {
        let activity = self.opener.activity();
        let long = async {
            loop {
                let idle = *self.idle.borrow();
                match idle.suspend_after {
                    Some(after) => sleep(after).await,
                    None => pending().await,
                }
                if activity.open() == 0 {
                    self.reporter.send(RunEvent::Unused).await;
                }
            }
        };
        tokio::select! {
            () = activity.wanted() => {}
            () = long => {}
        }
    }

    /// Pauses the VM until somebody writes to it.
    async fn sleep(&mut self) {
        let Some(suspend) = self.vm.suspend() else {
            return;
        };
        match suspend.pause().await {
            Ok(()) => {
                tracing::info!("nobody uses the VM: it sleeps");
                self.reporter.send(RunEvent::Asleep(true)).await;
            }
            Err(error) => tracing::warn!(%error, "the VM cannot be put to sleep"),
        }
        self.told = None;
        self.wanted().await;
        while let Err(error) = suspend.unpause().await {
            tracing::warn!(%error, "the VM does not wake up");
            sleep(RETRY).await;
        }
        self.behind.notify_one();
        tracing::info!("the VM is awake");
        self.reporter.send(RunEvent::Asleep(false)).await;
    }
}

/// What a VM has done so far.
struct Look {
    at: Instant,
    pieces: u64,
    is_owed: bool,
    usage: Option<VmUsage>,
}

impl Look {
    async fn at(opener: &Opener, vm: &dyn Vm) -> Self {
        let usage = vm.usage().await;
        Self {
            at: Instant::now(),
            pieces: opener.activity().pieces(),
            is_owed: opener.activity().owed() > 0,
            usage: usage.ok(),
        }
    }

    /// What is taken now, and of the processors since then, in percent of one.
    fn taken_since(&self, earlier: &Self) -> Option<(VmUsage, u64)> {
        let (now, then) = (self.usage?, earlier.usage?);
        let elapsed_ms = (self.at - earlier.at).as_millis() as u64;
        let percent = (now.cpu_ms.saturating_sub(then.cpu_ms) * 100).checked_div(elapsed_ms)?;
        Some((now, percent))
    }

    /// A VM of which it is not known counts as busy.
    fn is_busy_since(&self, earlier: &Self, cpu_percent: u64) -> bool {
        let (Some(now), Some(then)) = (self.usage, earlier.usage) else {
            return true;
        };
        let elapsed_ms = (self.at - earlier.at).as_millis() as u64;
        let spent = now.cpu_ms.saturating_sub(then.cpu_ms);
        let is_computing = spent * 100 >= (elapsed_ms * cpu_percent).max(1);
        self.pieces != earlier.pieces || self.is_owed || is_computing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_processors_keep_a_vm_awake() {
        let begun = Instant::now();
        let look = |s: u64, pieces, cpu_ms: Option<u64>| Look {
            at: begun + Duration::from_secs(s),
            pieces,
            is_owed: false,
            usage: cpu_ms.map(|cpu_ms| VmUsage {
                resident_bytes: 1 << 30,
                cpu_ms,
            }),
        };
        let then = look(0, 7, Some(1000));
        let is_busy = |now: Look| now.is_busy_since(&then, 10);
        assert!(!is_busy(look(10, 7, Some(1000))));
        assert!(!is_busy(look(10, 7, Some(1999))));
        assert!(is_busy(look(10, 7, Some(2000))));
        assert!(is_busy(look(10, 8, Some(1000))));
        assert!(is_busy(look(10, 7, None)));
        let (usage, percent) = look(10, 7, Some(3500)).taken_since(&then).unwrap();
        assert_eq!((usage.resident_bytes, percent), (1 << 30, 25));
        assert_eq!(look(0, 7, Some(3500)).taken_since(&then), None);
        assert!(is_busy(Look {
            is_owed: true,
            ..look(10, 7, Some(1000))
        }));
    }
}
