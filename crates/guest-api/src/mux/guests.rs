//! The guest that comes and goes.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::{Opener, TransportEnded};

/// The guest that there is at the moment, which those outlive who use it: a suspended VM has none, and is there
/// by another transport when it goes on. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Guests(watch::Sender<Guest>);

#[derive(Clone, Debug, Default)]
enum Guest {
    /// And none is known to come.
    #[default]
    None,
    /// It comes when somebody wants it, who says so here.
    OnDemand(Arc<Notify>),
    There(Opener),
}

impl Guests {
    /// A guest is there.
    pub fn attach(&self, guest: Opener) {
        self.0.send_replace(Guest::There(guest));
    }

    /// There is none any more.
    pub fn detach(&self) {
        self.0.send_replace(Guest::None);
    }

    /// There is none, but one comes when it is wanted.
    pub fn away(&self, wanted: Arc<Notify>) {
        self.0.send_replace(Guest::OnDemand(wanted));
    }

    /// The guest, if there is one.
    pub fn present(&self) -> Option<Opener> {
        match &*self.0.borrow() {
            Guest::There(guest) if !guest.has_ended() => Some(guest.clone()),
            _ => None,
        }
    }

    /// The guest; one that is away is told that it is wanted, and waited for. Unbounded.
    pub async fn reach(&self) -> Result<Opener, TransportEnded> {
        let mut guests = self.0.subscribe();
        loop {
            match guests.borrow_and_update().clone() {
                Guest::There(guest) => return Ok(guest),
                Guest::None => return Err(TransportEnded),
                Guest::OnDemand(wanted) => wanted.notify_one(),
            }
            guests.changed().await.map_err(|_| TransportEnded)?;
        }
    }

    /// Waits for a guest, wanted or not.
    pub async fn next(&self) -> Opener {
        let mut guests = self.0.subscribe();
        loop {
            if let Some(guest) = self.present() {
                return guest;
            }
            if guests.changed().await.is_err() {
                // Not while `self` is there.
                pending::<()>().await;
            }
        }
    }
}
