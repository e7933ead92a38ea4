use std::time::Duration;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::cycle::{is_suspended, resume, resume_with};
use super::scene::Scene;

const OFFSET: &str = "CORACLE_CLOCK_OFFSET_S";
const HOUR: i64 = 3600;
const HUNDRED_DAYS: i64 = 100 * 24 * HOUR;

/// The daemon ends each time: the next one has another clock, and knows of the VM from the disk only.
pub(super) fn clock_is_right_after_hours_and_days(coracle: &Coracle, scene: &Scene) -> Result<()> {
    for offset in [HOUR, HUNDRED_DAYS, -HOUR] {
        coracle.coracle(["stop", "--quit"]).ok()?;
        let shifted = coracle.coracle(["start"]).env(OFFSET, offset.to_string());
        resume_with(coracle, shifted)?;
        eventually("the right time", || {
            let off = scene.clock_is_off_by(offset)?;
            ensure!(off < Duration::from_millis(100), "off by {off:?}");
            Ok(())
        })?;
        scene.service_answers()?;
    }
    coracle.coracle(["stop", "--quit"]).ok()?;
    resume(coracle)?;
    scene.service_answers()?;
    // A daemon that begins with a suspended VM says so.
    coracle.coracle(["stop", "--quit"]).ok()?;
    coracle.coracle(["config", "list"]).ok()?;
    is_suspended(coracle)?;
    resume(coracle)
}
