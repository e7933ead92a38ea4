use std::path::Path;

/// The system has a screen wherever it runs programs of users.
pub(crate) fn check_desktop() -> Result<(), &'static str> {
    Ok(())
}

/// The system's web view decides for itself.
pub(crate) fn spare_memory() {}

/// Nothing is set.
pub(crate) fn own_variables() -> &'static [&'static str] {
    &[]
}

/// A program as an entry for the start at login wants it.
pub(crate) fn autostart_command(program: &Path) -> String {
    program.to_string_lossy().into_owned()
}
