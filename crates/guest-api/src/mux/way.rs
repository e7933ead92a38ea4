//! The way to a guest that comes and goes.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::{Opener, TransportEnded};

/// How the guest is reached now.
#[derive(Clone, Debug, Default)]
pub enum Way {
    /// There is none, and none is on its way.
    #[default]
    None,
    /// It is away, and comes when somebody wants it, who says so here.
    OnDemand(Arc<Notify>),
    /// By this.
    By(Opener),
}

/// Waits for a guest that is away, having said that it is wanted. Unbounded.
pub async fn reach(way: &mut watch::Receiver<Way>) -> Result<Opener, TransportEnded> {
    loop {
        match way.borrow_and_update().clone() {
            Way::By(opener) => return Ok(opener),
            Way::None => return Err(TransportEnded),
            Way::OnDemand(wanted) => wanted.notify_one(),
        }
        way.changed().await.map_err(|_| TransportEnded)?;
    }
}
