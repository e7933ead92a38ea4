use std::future::pending;

use coracle_guest_api::mux::Opener;
use tokio::sync::watch;

/// The guest that there is at the moment, which sessions outlive: a suspended VM has none, and is there by
/// another transport when it goes on. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Guests(watch::Sender<Option<Opener>>);

impl Guests {
    /// A guest is there.
    pub fn attach(&self, guest: Opener) {
        self.0.send_replace(Some(guest));
    }

    /// There is none any more.
    pub fn detach(&self) {
        self.0.send_replace(None);
    }

    /// The guest, if there is one.
    pub fn present(&self) -> Option<Opener> {
        self.0.borrow().clone().filter(|guest| !guest.has_ended())
    }

    /// Waits for a guest.
    pub(crate) async fn next(&self) -> Opener {
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
