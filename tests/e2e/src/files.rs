//! Host folders in containers. Runs as any user, and is to be run as one who is neither root nor 1000.

mod borders;
mod content;
mod inside;
mod owners;
mod tree;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "files",
    tests: tests![
        content::both_sides_read_what_the_other_wrote,
        content::edits_on_the_host_are_seen,
        content::large_file_is_intact,
        content::single_file,
        content::read_only,
        tree::modes,
        tree::links,
        tree::rename_and_remove,
        tree::unusual_names,
        tree::thousands_of_files,
        owners::created_files_belong_to_the_user,
        owners::as_root,
        owners::as_the_user,
        owners::as_another,
        borders::folder_outside_the_shares_is_refused,
        borders::link_out_of_the_shares_is_refused,
        borders::state_folder_is_not_in_the_share,
        borders::missing_folder_is_made,
        borders::changed_shares_take_effect,
    ],
};
