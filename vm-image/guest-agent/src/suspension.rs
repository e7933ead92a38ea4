//! What the agent does before a suspension of the VM.
//!
//! After it there is nothing to be done but what every new connection of a daemon does: names and
//! attributes of shared files expire within a second, as always, and the daemon sets the clock.

use coracle_guest_api::preamble::NONCE;
use tokio::sync::Notify;

/// Marks the preamble after a suspension.
pub(crate) type Token = [u8; NONCE];

/// The order to leave the transport, from the stream that took it to the owner of the transport.
#[derive(Default)]
pub(crate) struct Suspending {
    token: std::sync::Mutex<Option<Token>>,
    given: Notify,
}

impl Suspending {
    /// Gives the order.
    pub(crate) fn order(&self, token: Token) {
        *self.lock() = Some(token);
        self.given.notify_one();
    }

    /// Waits for the order. May be abandoned without losing it.
    pub(crate) async fn ordered(&self) -> Token {
        loop {
            if let Some(token) = self.lock().take() {
                return token;
            }
            self.given.notified().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Token>> {
        self.token
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Writes everything to the disks: a resume that does not come about loses nothing then.
pub(crate) async fn prepare() -> std::io::Result<()> {
    Ok(tokio::task::spawn_blocking(nix::unistd::sync).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_is_neither_lost_nor_doubled() {
        let suspending = Suspending::default();
        suspending.order([1; NONCE]);
        assert_eq!(suspending.ordered().await, [1; NONCE]);
        let soon = std::time::Duration::from_millis(10);
        let second = tokio::time::timeout(soon, suspending.ordered()).await;
        assert!(second.is_err());
        let (token, ()) = tokio::join!(suspending.ordered(), async {
            suspending.order([2; NONCE]);
        });
        assert_eq!(token, [2; NONCE]);
    }
}
