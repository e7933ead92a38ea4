use std::path::{Path, PathBuf};

/// A file of systemd's that has links made at boot, where there is a systemd.
pub(crate) fn boot_entry() -> Option<PathBuf> {
    let folder = Path::new("/etc/tmpfiles.d");
    folder
        .is_dir()
        .then(|| folder.join("coracle-default-socket.conf"))
}
