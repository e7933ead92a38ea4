//! Memory and disk come back to the host: by themselves, and at a word.

mod at_once;
mod by_itself;
mod taken;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "reclaim",
    tests: tests![
        by_itself::memory_of_a_container_that_ended,
        by_itself::disk_of_a_deleted_volume_and_image,
        at_once::page_cache,
        at_once::blocks_that_were_freed_in_silence,
        at_once::nothing_of_a_vm_that_does_not_run,
    ],
};
