//! The local socket of each system.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::connect;
