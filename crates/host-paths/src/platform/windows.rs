use std::{fs, io, path::Path};

/// Under the user's profile the inherited access list is already private.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}
