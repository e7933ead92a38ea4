//! What differs between operating systems.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod others;
#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
pub(crate) use linux::check_desktop;
#[cfg(not(target_os = "linux"))]
pub(crate) use others::check_desktop;
#[cfg(unix)]
pub(crate) use unix::{connect, told_to_end};
