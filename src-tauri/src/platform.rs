//! What differs between operating systems.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod others;
#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
pub(crate) use linux::{autostart_command, check_desktop, own_variables, spare_memory};
#[cfg(not(target_os = "linux"))]
pub(crate) use others::{autostart_command, check_desktop, own_variables, spare_memory};
#[cfg(unix)]
pub(crate) use unix::{connect, set_apart, told_to_end};
