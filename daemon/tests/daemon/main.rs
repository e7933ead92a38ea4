//! The whole daemon over its real sockets, against a driver without a VM: the tests play the
//! guest ([`guest`]).

mod api;
mod bench;
mod debug;
mod engine_config;
mod failures;
mod guest;
mod idle;
mod lifecycle;
mod names;
mod ownership;
mod ports;
mod reclaim;
mod snapshots;
mod suspend;
