use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, process};

use crate::skips::Skip;

pub(super) fn no_process_of_root(coracle: &Coracle) -> Result<()> {
    if fs::metadata("/proc/self")?.uid() == 0 {
        return Err(Skip("root runs it".into()).into());
    }
    let ids = process::of_state(&coracle.paths().home().to_string_lossy());
    ensure!(
        ids.len() >= 3,
        "daemon, hypervisor and file server are not all there: {ids:?}"
    );
    let own = fs::metadata("/proc/self")?.uid();
    for id in ids {
        // It may have ended since.
        if let Ok(process) = fs::metadata(format!("/proc/{id}")) {
            ensure!(
                process.uid() == own,
                "process {id} is of user {}",
                process.uid()
            );
        }
    }
    Ok(())
}
