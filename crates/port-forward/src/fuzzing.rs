//! Decoders of what the engine in the guest says, for `tests/fuzz`.

use coracle_guest_api::port::PortRequest;

/// The ports that an answer to `GET /services` asks for, and whether one of `GET /info` says that
/// there is no swarm; `None` for what is no such answer.
pub fn services(services: &[u8], info: &[u8]) -> (Option<Vec<PortRequest>>, Option<bool>) {
    crate::swarm::fuzzing(services, info)
}
