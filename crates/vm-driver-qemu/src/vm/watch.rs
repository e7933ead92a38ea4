//! The task that watches a VM until nothing of it is left.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coracle_vm_driver::{ExitReason, VmEvent};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch as value};
use tokio::time::{sleep, timeout};

use super::{Processes, Suspect, exit};
use crate::accelerator::Accelerator;
use crate::qmp::{Event, Qmp, Shutdown};

pub(super) struct Watched {
    pub(super) processes: Arc<Processes>,
    pub(super) qmp: Qmp,
    pub(super) qmp_events: mpsc::UnboundedReceiver<Event>,
    pub(super) events: mpsc::Sender<VmEvent>,
    /// Becomes true when all processes are gone.
    pub(super) gone: value::Sender<bool>,
    pub(super) suspect: Suspect,
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    shutdown: Option<Shutdown>,
    /// The guest is paused because the host's disk did not take a write.
    disk_paused: bool,
    /// That was told, and not yet that it is over.
    full_told: bool,
    internal_error: bool,
}

/// How often a guest that waits for space is continued, and how long it must run then for the
/// wait to count as over.
const RETRY: Duration = Duration::from_secs(10);

const HOST_FULL: &str =
    "the host's disk is full, so the VM waits: free some space and it goes on by itself";

const NEXT_START: &str = "the next start uses software emulation";

impl Watched {
    pub(super) async fn watch(mut self) {
        let mut seen = Seen::default();
        let status = self.until_exit(&mut seen).await;
        // What QEMU had said before it ended.
        while let Ok(Some(event)) = timeout(Duration::from_secs(1), self.qmp_events.recv()).await {
            self.note(event, &mut seen);
        }
        for server in &self.processes.servers {
            server.process.kill();
            server.process.wait().await;
        }
        let reason = self.reason(&seen, status).await;
        self.gone.send_replace(true);
        // The receiver is gone when the VM was already given up.
        let _ = self.events.send(VmEvent::Exited(reason)).await;
    }

    async fn until_exit(&mut self, seen: &mut Seen) -> ExitStatus {
        let processes = self.processes.clone();
        let mut ended_servers: FuturesUnordered<_> = processes
            .servers
            .iter()
            .map(|server| async move {
                server.process.wait().await;
                server
            })
            .collect();
        loop {
            tokio::select! {
                status = processes.qemu.wait() => return status,
                Some(event) = self.qmp_events.recv() => {
                    let stopped = event == Event::Stop;
                    self.note(event, seen);
                    if stopped {
                        self.stopped(seen).await;
                    }
                }
                Some(server) = ended_servers.next() => {
                    // It also ends because QEMU does.
                    let with_qemu = seen.shutdown.is_some()
                        || timeout(Duration::from_secs(1), processes.qemu.wait()).await.is_ok();
                    if !with_qemu {
                        let words = server.process.last_words();
                        let folder = &server.folder;
                        self.tell(VmEvent::HelperFailed(format!(
                            "the file server of {folder} ended: {words}"
                        )));
                    }
                }
                () = sleep(RETRY), if seen.full_told && !seen.disk_paused => {
                    seen.full_told = false;
                    self.tell(VmEvent::Recovered(HOST_FULL.into()));
                }
                () = sleep(RETRY), if seen.disk_paused && !processes.held.load(Ordering::SeqCst) => {
                    // Stops again at once if the disk is still full.
                    if let Err(error) = self.qmp.execute("cont").await {
                        tracing::debug!(%error, "the paused guest was not continued");
                    }
                }
            }
        }
    }

    fn note(&self, event: Event, seen: &mut Seen) {
        match event {
            Event::Shutdown(shutdown) => seen.shutdown = Some(shutdown),
            Event::Resume => seen.disk_paused = false,
            Event::DiskError { disk, host_full } if host_full => {
                // QEMU says it for every write that was under way.
                if !seen.full_told {
                    seen.full_told = true;
                    tracing::warn!(disk, "the host's disk is full");
                    self.tell(VmEvent::Degraded(HOST_FULL.into()));
                }
            }
            Event::DiskError { disk, .. } => self.tell(VmEvent::Degraded(format!(
                "the file of {disk} has read or write errors"
            ))),
            Event::Stop | Event::Other => {}
        }
    }

    /// The guest's CPUs stopped without our doing.
    async fn stopped(&self, seen: &mut Seen) {
        match self.qmp.run_state().await.as_deref() {
            Ok("io-error") => seen.disk_paused = true,
            Ok("internal-error") => {
                seen.internal_error = true;
                self.processes.qemu.kill();
            }
            _ => {}
        }
    }

    async fn reason(&self, seen: &Seen, status: ExitStatus) -> ExitReason {
        let killed = self.processes.killed.load(Ordering::SeqCst);
        let words = self.processes.qemu.last_words();
        let on_kvm = self.suspect.accelerator == Accelerator::Kvm;
        if on_kvm && (seen.internal_error || words.contains("KVM internal error")) {
            let suspect = &self.suspect;
            suspect.accelerators.failed(&suspect.qemu, &words).await;
            return ExitReason::Failed(format!(
                "KVM failed under the guest; {NEXT_START}: {words}"
            ));
        }
        exit::reason(seen.shutdown, killed, status, &words)
    }

    /// Without waiting: who does not read must not keep the VM from being watched.
    fn tell(&self, event: VmEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::warn!(%error, "an event of the VM was not taken");
        }
    }
}
