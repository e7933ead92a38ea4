//! The status for people.

use coracle_daemon_api::{PortStatus, ShareStatus, Status, VmState};

use crate::durations::duration;
use crate::sizes::human;

/// Several lines: a name, then what there is to say; absent parts are left out.
pub(super) fn text(status: &Status) -> String {
    let mut lines = vec![line("VM", &vm(status))];
    if let Some(error) = &status.vm.last_error {
        lines.push(line("", &error.message));
    }
    // On its way up it is not said: nobody suspends it then.
    if let (VmState::Running, Some(why)) = (status.vm.state, &status.vm.cannot_suspend) {
        lines.push(line("", why));
    }
    if !status.vm.changed_settings.is_empty() {
        let changed = status.vm.changed_settings.join(", ");
        lines.push(line("", &format!("Changed for its next start: {changed}")));
    }
    lines.push(line("Engine", &engine(status)));
    if let Some(host) = &status.host {
        // Normally the note is among the reasons at the end.
        let note = host.accelerator_note.as_deref();
        let note = note.filter(|note| !status.degraded.iter().any(|reason| reason == note));
        let note = note.map(|note| format!(": {note}")).unwrap_or_default();
        lines.push(line(
            "Accelerator",
            &format!("{} ({}){note}", host.accelerator, host.hypervisor),
        ));
    }
    lines.push(line("Versions", &versions(status)));
    lines.push(line("Data disk", &disk(status)));
    lines.push(line("Socket", &status.engine_socket.display().to_string()));
    lines.extend(list("Ports", status.ports.iter().map(port)));
    let shares = status.shares.iter().map(|one| share(one, status.vm.state));
    lines.extend(list("Shares", shares));
    lines.extend(list("Degraded", status.degraded.iter().cloned()));
    lines.join("\n")
}

fn line(name: &str, text: &str) -> String {
    format!("{name:<12} {text}")
}

/// The name stands at the first entry only.
fn list(name: &str, entries: impl Iterator<Item = String>) -> Vec<String> {
    entries
        .enumerate()
        .map(|(index, entry)| line(if index == 0 { name } else { "" }, &entry))
        .collect()
}

fn vm(status: &Status) -> String {
    let vm = &status.vm;
    let state = match vm.state {
        VmState::Stopped => "stopped",
        VmState::Suspended if vm.asleep => "suspended until it is used",
        VmState::Suspended => "suspended",
        VmState::Booting => "booting",
        VmState::EngineStarting => "running, engine starting",
        VmState::Running if vm.asleep => "asleep until it is used",
        VmState::Running => "running",
        VmState::Stopping => "stopping",
        VmState::Failed => "failed",
    };
    let mut text = format!("{state}, {} CPUs, {}", vm.cpus, human(vm.memory_mib << 20));
    if let Some(seconds) = vm.uptime_s {
        text += &format!(", up {}", duration(seconds));
    }
    if let Some(usage) = vm.usage {
        text += &format!(", takes {} of memory", human(usage.resident_bytes));
    }
    if vm.restarts > 0 {
        text += &format!(", restarted {} times", vm.restarts);
    }
    text
}

fn engine(status: &Status) -> String {
    let state = match (status.engine.ready, &status.versions.engine) {
        (true, Some(version)) => format!("ready, Docker {version}"),
        (true, None) => "ready".into(),
        (false, _) => "not ready".into(),
    };
    match &status.engine.note {
        Some(note) => format!("{state}: {note}"),
        None => state,
    }
}

fn versions(status: &Status) -> String {
    let versions = &status.versions;
    let mut text = format!("coracle {}", versions.coracle);
    for (name, version) in [
        ("image", &versions.image),
        ("agent", &versions.agent),
        ("Linux", &versions.kernel),
    ] {
        if let Some(version) = version {
            text += &format!(", {name} {version}");
        }
    }
    text
}

fn port(port: &PortStatus) -> String {
    let mut text = format!("{} → {}/{}", port.host, port.container, port.protocol);
    if let Some(error) = &port.error {
        text += &format!(" NOT OPEN: {error}");
    }
    text
}

/// Without a guest nothing is mounted, which goes without saying.
fn share(share: &ShareStatus, state: VmState) -> String {
    let up = matches!(state, VmState::EngineStarting | VmState::Running);
    let note = if up && !share.mounted {
        " (not mounted)"
    } else {
        ""
    };
    format!("{}{note}", share.path.display())
}

fn disk(status: &Status) -> String {
    let taken = human(status.vm.disk_used_bytes);
    match (status.vm.disk_bytes, status.vm.disk_used_bytes) {
        (0, 0) => "none yet".into(),
        // The guest, which knows the size, is not there.
        (0, _) => format!("{taken} taken on this computer"),
        (size, _) => format!("{taken} of {} taken on this computer", human(size)),
    }
}
