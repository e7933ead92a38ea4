//! What the daemon tells of itself.

use std::sync::Arc;
use std::time::Duration;

use coracle_daemon_api::{
    DaemonNews, EngineStatus, PortStatus, ShareStatus, Snapshot, Status, Versions, VmState,
    VmStatus,
};
use coracle_guest_api::mux::Opener;
use coracle_guest_api::status::AgentStatus;
use coracle_port_forward::PortEntry;
use coracle_vm_driver::Vm;
use tokio::time::timeout;

use crate::api::debug;
use crate::engine::configuration;
use crate::vm::{Context, Lifecycle};
use crate::{disks, engine};

/// Everything that is known without asking anyone.
pub(crate) fn of(lifecycle: &Lifecycle) -> Status {
    let context = &lifecycle.context;
    let (facts, vm) = (&context.facts, &context.facts.vm);
    let state = lifecycle.state();
    let (disk_bytes, disk_used_bytes) = disks::data_size(&context.paths.data_disk());
    let made = vm.prepared.as_ref();
    let shares = made.map_or(&context.settings.shares, |made| &made.shares);
    let mut status = Status {
        vm: VmStatus {
            state,
            cpus: made.map_or(context.settings.cpus, |made| made.cpus),
            memory_mib: made.map_or(context.settings.memory_mib, |made| made.memory_mib),
            disk_bytes,
            disk_used_bytes,
            asleep: lifecycle.is_asleep(),
            usage: vm.taken.map(|(usage, _)| usage),
            cpu_percent: vm.taken.map(|(_, percent)| percent),
            uptime_s: None,
            restarts: facts.restarts,
            last_error: facts.last_error.clone(),
            cannot_suspend: lifecycle.cannot_suspend(),
            changed_settings: lifecycle.changed_settings(),
        },
        engine: EngineStatus {
            ready: state == VmState::Running,
            note: vm.engine_note.clone(),
        },
        host: facts.host.clone(),
        versions: Versions {
            coracle: env!("CARGO_PKG_VERSION").into(),
            image: made.map(|made| made.image.clone()),
            agent: vm.agent.as_ref().map(|agent| agent.agent_version.clone()),
            kernel: vm.agent.as_ref().map(|agent| agent.kernel.clone()),
            engine: vm.engine.clone(),
        },
        ports: context.sockets.forwarder.ports().iter().map(port).collect(),
        shares: shares
            .iter()
            .map(|path| ShareStatus {
                path: path.clone(),
                mounted: false,
            })
            .collect(),
        degraded: degraded(context),
        engine_socket: context.paths.engine_socket(),
        home: context.paths.home().into(),
    };
    if let Some(guest) = &vm.guest {
        mark_mounted(&mut status, guest);
    }
    status
}

/// The same with the lists.
pub(crate) fn news(lifecycle: &Lifecycle, snapshots: Vec<Snapshot>) -> DaemonNews {
    DaemonNews {
        status: of(lifecycle),
        snapshots,
        debug_sessions: debug::list(&lifecycle.context.sockets.debugging),
    }
}

/// Adds what VM and agent must be asked for, each within `bound`; what does not answer is
/// left out. Asked only when somebody wants to know, so that an idle VM stays idle.
pub(crate) async fn complete(
    status: &mut Status,
    (vm, opener): (Arc<dyn Vm>, Opener),
    bound: Duration,
) {
    // Who looks at a VM does not use it.
    let opener = opener.in_background();
    let (usage, guest) = tokio::join!(
        timeout(bound, vm.usage()),
        timeout(bound, engine::status(&opener))
    );
    match usage {
        Ok(Ok(usage)) => status.vm.usage = Some(usage),
        Ok(Err(error)) => tracing::warn!(%error, "the VM's usage is unknown"),
        Err(_) => tracing::warn!("the driver did not tell the VM's usage in time"),
    }
    match guest {
        Ok(Ok(guest)) => {
            status.vm.uptime_s = Some(guest.uptime_ms / 1000);
            mark_mounted(status, &guest);
            status.degraded.extend(short_of_space(&guest));
        }
        Ok(Err(error)) => tracing::warn!(%error, "the guest's status is unknown"),
        Err(_) => tracing::warn!("the agent did not tell its status in time"),
    }
}

fn mark_mounted(status: &mut Status, guest: &AgentStatus) {
    for share in &mut status.shares {
        share.mounted = guest
            .shares
            .iter()
            .any(|mounted| share.path.as_os_str() == mounted.as_str());
    }
}

/// Told before the last block is gone, and while an engine that cannot write still answers.
fn short_of_space(guest: &AgentStatus) -> Option<String> {
    let left = guest.data_total.saturating_sub(guest.data_used);
    (guest.data_total > 0 && left < guest.data_total / 20).then(|| {
        format!(
            "The data disk is nearly full ({} MiB of {} MiB are left): `docker system prune` frees \
             what is not used, `coracle restart --disk` enlarges it.",
            left >> 20,
            guest.data_total >> 20
        )
    })
}

fn port(entry: &PortEntry) -> PortStatus {
    let request = &entry.request;
    let address = |ip, port| std::net::SocketAddr::new(ip, port).to_string();
    PortStatus {
        protocol: request.protocol.to_string(),
        host: address(request.host_ip, request.host_port),
        container: address(request.container_ip, request.container_port),
        error: entry.error.clone(),
    }
}

fn degraded(context: &Context) -> Vec<String> {
    let (facts, vm) = (&context.facts, &context.facts.vm);
    let unknown = context.settings.unknown.iter().map(|key| {
        format!(
            "{} has {key}, which this version does not know; it is kept.",
            context.paths.settings_file().display()
        )
    });
    let accelerator = facts
        .host
        .as_ref()
        .and_then(|host| host.accelerator_note.clone());
    let gone_back = vm
        .guest
        .as_ref()
        .and_then(|guest| guest.engine_refused.as_deref())
        .map(configuration::gone_back);
    facts
        .recovering
        .clone()
        .into_iter()
        .chain(vm.engine_note.clone())
        .chain(gone_back)
        .chain(accelerator)
        .chain(vm.degraded_vm.iter().cloned())
        .chain(vm.degraded_guest.iter().cloned())
        .chain(context.sockets.file_events.problems())
        .chain(ports_in_error(&context.sockets.forwarder.ports()))
        .chain(unknown)
        .collect()
}

/// A port that is not served on either family is told of once.
fn ports_in_error(ports: &[PortEntry]) -> Vec<String> {
    let mut told = std::collections::BTreeSet::new();
    ports
        .iter()
        .filter_map(|port| {
            let error = port.error.as_ref()?;
            let first = told.insert((port.request.protocol, port.request.host_port));
            let mut sentence = error.clone();
            if let Some(initial) = sentence.get_mut(..1) {
                initial.make_ascii_uppercase();
            }
            first.then(|| sentence + "; it is tried again until it is free.")
        })
        .collect()
}
