//! The VM driver for QEMU on Linux.
//!
//! A VM is one QEMU process and one virtiofsd per shared folder, all children of
//! the process that uses this crate and gone with it (module `process` says how). They
//! are reached only over sockets that were inherited: none of them has a name that
//! another program could connect to.
//!
//! ```text
//!  QemuDriver ── launch ─┬─ virtiofsd … ◄── vhost-user ──┐
//!                        └─ QEMU ────────────────────────┘
//!  QemuVm ── QMP ──────────► QEMU
//!  transport ◄── socket pair ──► virtio-serial port of the guest
//! ```
//!
//! KVM is used only where it has run a guest on this very host (module `accelerator`).
#![cfg(target_os = "linux")]

mod accelerator;
mod command_line;
mod console;
mod driver;
mod file_server;
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod launch;
mod layers;
mod lock;
mod migration;
mod network;
mod process;
mod qmp;
mod ram;
mod usage;
mod version;
mod vm;

pub use driver::QemuDriver;
