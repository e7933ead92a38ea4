//! The ports that are held for services.

use std::collections::{HashMap, HashSet};

use coracle_guest_api::port::PortRequest;

use crate::forwarder::{Forwarder, Granted};
use crate::placing::Placed;

/// Dropped, all are released.
pub(super) struct Ports {
    forwarder: Forwarder,
    held: HashMap<PortRequest, Held>,
}

struct Held {
    wish: Granted,
    service: String,
    served: bool,
}

impl Ports {
    pub(super) fn new(forwarder: Forwarder) -> Self {
        Self {
            forwarder,
            held: HashMap::new(),
        }
    }

    /// Says where leases of services go.
    pub(super) fn place(&self, placed: Placed) {
        self.forwarder.place(placed);
    }

    /// Releases what is not wanted any more and tries whatever is not served yet; whether all
    /// is served now. What is not stays in the table, with the reason.
    pub(super) async fn adjust(&mut self, wanted: Vec<(PortRequest, String)>) -> bool {
        let kept: HashSet<_> = wanted.iter().cloned().collect();
        self.held
            .retain(|request, held| kept.contains(&(request.clone(), held.service.clone())));
        let mut all_served = true;
        for (request, service) in wanted {
            let held = self.held.entry(request.clone()).or_insert_with(|| Held {
                wish: self.forwarder.wish(),
                service,
                served: false,
            });
            if !held.served {
                let about = format!("the swarm service {} is not reachable", held.service);
                let tried = self.forwarder.attempt(&held.wish, &request, &about);
                held.served = tried.await;
            }
            all_served &= held.served;
        }
        all_served
    }
}
