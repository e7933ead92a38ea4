//! Debuggers as functions of `tests/python`, in the environment that has their libraries.

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Program};

/// A script there, with arguments.
pub(super) fn script(coracle: &Coracle, name: &str, arguments: &[&str]) -> Result<Program> {
    let python = coracle.places().programs.join("../python/bin/python3");
    ensure!(
        python.exists(),
        "{} is missing: `cargo xtask test debug` makes it",
        python.display()
    );
    let script = coracle.places().checkout.join("tests/python").join(name);
    Ok(coracle.program(&python).arg(script).args(arguments))
}
