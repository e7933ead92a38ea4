//! Hosts of which nothing particular is known.

use std::io;

use coracle_guest_api::port::Protocol;

/// The program that listens on a port, when it can be told.
pub(crate) fn holder(_protocol: Protocol, _port: u16) -> Option<String> {
    None
}

/// What lets a user bind a privileged port.
pub(crate) fn allow_port(_port: u16) -> String {
    "run the daemon as a user who may".into()
}

/// Whether the host does not know the address family (EAFNOSUPPORT, WSAEAFNOSUPPORT).
pub(crate) fn is_unknown_family(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(47 | 10047))
}
