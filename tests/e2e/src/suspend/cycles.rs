use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use super::cycle::{boot_id, resume, suspend};
use super::debugger::Debugger;
use super::scene::Scene;
use super::times;
use crate::suite;

/// When the clock must be right, and how right.
const CLOCK_AFTER: Duration = Duration::from_secs(2);
const CLOCK_WITHIN: Duration = Duration::from_millis(100);

pub(super) fn everything_goes_on(coracle: &Coracle) -> Result<()> {
    let boot = boot_id(coracle)?;
    let mut scene = Scene::set(coracle)?;
    scene.speak("before")?;
    let mut debugger = Debugger::attach(coracle)?;
    debugger.hits()?;
    let mut count = scene.count()?;
    for cycle in 1..=suite::times(5, 50) {
        suspend(coracle)?;
        let word = format!("cycle-{cycle}");
        scene.change_folder(&word)?;
        resume(coracle)?;
        thread::sleep(CLOCK_AFTER);
        let off = scene.clock_is_off_by(0)?;
        ensure!(off < CLOCK_WITHIN, "the clock is off by {off:?}");
        ensure!(boot_id(coracle)? == boot, "the guest was booted anew");
        let counted = scene.count()?;
        ensure!(counted > count, "{counted} after {count}");
        count = counted;
        scene.speak(&word)?;
        scene.folder_is_seen(&word)?;
        scene.service_answers()?;
        debugger.hits()?;
    }
    debugger.leave()?;
    times::clock_is_right_after_hours_and_days(coracle, &scene)?;
    ensure!(boot_id(coracle)? == boot, "the guest was booted anew");
    scene.commit()
}
