use std::path::PathBuf;

/// Nothing makes links at boot here.
pub(crate) fn boot_entry() -> Option<PathBuf> {
    None
}
