//! Folders that only their owner may enter, as each system makes them.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::create_private_dir;
#[cfg(windows)]
pub(crate) use windows::create_private_dir;
