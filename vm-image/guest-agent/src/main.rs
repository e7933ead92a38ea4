//! The guest agent: PID 1 in the guest, from the initramfs to the power switch.
//!
//! One static program with three faces, chosen by its name: as `/init` it boots the guest,
//! supervises containerd and dockerd and serves the daemon's streams; as
//! `coracle-docker-proxy` it stands in for dockerd's userland proxy ([`docker_proxy`]); as
//! `coracle-debug-stub` it traces one process for a debugger ([`debug`]).
//!
//! The boot goes [`early`] (initramfs, before any thread), [`boot`] (everything else, in
//! parallel), then the agent lives in [`boot::run`]'s loop until [`power`] ends it. A panic of
//! that loop ends PID 1, hence the VM; a panic in one stream ends that stream.

mod boot;
mod clock;
mod command;
mod data_disk;
mod debug;
mod disks;
mod docker_proxy;
mod early;
mod engine;
mod file_events;
mod guest;
mod log_ring;
mod logging;
mod memory;
mod modules;
mod mounts;
mod network;
mod ports;
mod power;
mod power_button;
mod reaper;
mod recall;
mod reclaim;
mod registry_ca;
mod resolver;
mod serve;
mod shares;
mod supervise;
mod suspension;
mod sysctl;
mod transport;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    if name.ends_with(docker_proxy::NAME) {
        return docker_proxy::main(arguments);
    }
    if name.ends_with(debug::STUB) {
        return debug::stub_main(arguments);
    }
    if std::process::id() != 1 {
        eprintln!("{name}: this is the guest's PID 1; it does nothing anywhere else");
        return ExitCode::from(2);
    }
    boot::run()
}
