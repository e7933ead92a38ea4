//! Every decoder at a border, each as a function of arbitrary bytes that panics when the decoder
//! breaks a promise.
//!
//! `tests/replay.rs` runs all of them over the corpora in `corpus/`, with any compiler;
//! `cargo-fuzz/` makes a fuzzer of each, which takes a nightly one (`CONTRIBUTING.md` says how).

mod daemon;
mod dns;
mod engine;
mod guest;
mod host;

pub use daemon::{daemon_api, mounts, settings};
pub use dns::dns;
pub use engine::{containers, debugged, services};
pub use guest::{boot_config, datagram, exec, file_events, message, mux, preamble, resumable};
pub use host::qmp;

/// A decoder's function.
pub type Target = fn(&[u8]);

/// All of them by name, which is also the corpus' folder and the fuzzer's program.
pub const TARGETS: &[(&str, Target)] = &[
    ("boot_config", boot_config),
    ("containers", containers),
    ("daemon_api", daemon_api),
    ("datagram", datagram),
    ("debugged", debugged),
    ("dns", dns),
    ("exec", exec),
    ("file_events", file_events),
    ("message", message),
    ("mounts", mounts),
    ("mux", mux),
    ("preamble", preamble),
    ("qmp", qmp),
    ("resumable", resumable),
    ("services", services),
    ("settings", settings),
];
