//! Boots a private Coracle for tests and drives it from outside, as a person would:
//! with the real `coracle`, docker, compose and Python programs.
//!
//! [`Coracle::boot`] makes a folder under `/tmp` that plays the user's home, with
//! the state in `.coracle` below it, and starts the programs that lie beside the test binary.
//! Everything is gone again when the value is dropped, also after a panic or SIGINT.
//!
//! Environment:
//! - `CORACLE_TEST_DRIVER`: the VM driver to use, `qemu` by default on Linux;
//! - `CORACLE_TEST_CHECKOUT`: the checkout, by default the one around the current folder;
//! - `CORACLE_SAMPLES_DIR`: the sample images, by default `../samples` beside the programs' folder;
//! - `CORACLE_IMAGE_DIR`, `CORACLE_TOOLS_DIR` as for Coracle itself;
//! - `CORACLE_TEST_PATIENCE`: seconds after which something counts as hanging, by default 300;
//! - `CORACLE_TEST_KEEP=1`: leaves the folder behind;
//! - `CORACLE_TEST_SEED`: a number that the random choices of a test follow from, as its failure tells it; its
//!   moments follow from the machine, too.

mod cleanup;
mod coracle;
mod docker;
pub mod http;
mod live;
mod places;
pub mod process;
mod program;
mod terminal;
mod wait;

pub use coracle::Coracle;
pub use live::Live;
pub use places::Places;
pub use program::{Outcome, Program};
pub use terminal::Terminal;
pub use wait::{eventually, patience};
