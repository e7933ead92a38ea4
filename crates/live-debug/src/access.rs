//! Who may debug: programs of the user who started the daemon, on this machine.
//!
//! A listener on the loopback device is reached by every user here, and by every container through
//! the gateway of the VM's network: the hypervisor connects for them, as a program of the same user.
//! So each connection's owner is looked up, and what the daemon itself has started is refused.

use tokio::net::TcpStream;

use crate::platform;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A program of this user.
    Ourselves,
    /// A program that this process has started: the hypervisor.
    OurChild,
    AnotherUser,
    /// It cannot be told.
    Unknown,
}

/// Whether a client may debug; if not, the log says why.
pub(crate) async fn is_allowed(client: &TcpStream) -> bool {
    let (Ok(peer), Ok(us)) = (client.peer_addr(), client.local_addr()) else {
        return false;
    };
    let asked = tokio::task::spawn_blocking(move || platform::owner(peer, us)).await;
    match asked {
        Ok(Ok(Owner::Ourselves)) => true,
        Ok(Ok(owner)) => {
            tracing::warn!(%peer, ?owner, "a connection to a debug port was refused");
            false
        }
        Ok(Err(error)) => {
            tracing::warn!(%peer, %error, "a connection to a debug port was refused");
            false
        }
        Err(_) => false,
    }
}
