//! The engine socket: Docker's API from the host to the engine in the guest.
