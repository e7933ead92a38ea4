//! Docker's Python SDK; each case is a function of `tests/python/sdk.py`.

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use crate::images;

macro_rules! cases {
    ($($test:ident => $case:literal),* $(,)?) => {
        $(pub(super) fn $test(coracle: &Coracle) -> Result<()> {
            case(coracle, $case)
        })*
    };
}

cases! {
    sdk_run => "run",
    sdk_logs_stream => "logs",
    sdk_exec => "exec",
    sdk_attach_socket => "attach",
    sdk_events => "events",
    sdk_archive => "archive",
    sdk_build => "build",
}

fn case(coracle: &Coracle, name: &str) -> Result<()> {
    let image = images::busybox(coracle)?;
    let python = coracle.places().programs.join("../python/bin/python3");
    ensure!(
        python.exists(),
        "{} is missing: `cargo xtask test` makes it",
        python.display()
    );
    let script = coracle.places().checkout.join("tests/python/sdk.py");
    coracle
        .program(&python)
        .arg("-B")
        .arg(&script)
        .args([name, image])
        .ok()?;
    Ok(())
}
