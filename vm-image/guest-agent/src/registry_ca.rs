//! Certificate authorities of private registries, where dockerd looks for them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::guest::Guest;

/// A folder for each registry.
const FOLDER: &str = "/etc/docker/certs.d";

/// Writes them all; what cannot be written is told.
pub(crate) fn install(guest: &Guest) {
    if let Err(error) = write(Path::new(FOLDER), &guest.config.registry_ca) {
        guest.degraded.set(
            "registries",
            format!("Certificate authorities of registries could not be written: {error}."),
        );
    }
}

fn write(folder: &Path, authorities: &BTreeMap<String, String>) -> io::Result<()> {
    for (registry, certificates) in authorities {
        if registry.contains('/') || registry.starts_with('.') || registry.is_empty() {
            return Err(io::Error::other(format!("{registry:?} is not a registry")));
        }
        let folder = folder.join(registry);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("ca.crt"), certificates)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_registry_has_its_folder_and_nothing_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let all = |registry: &str| BTreeMap::from([(registry.to_owned(), "PEM".to_owned())]);
        write(folder.path(), &all("[::1]:5000")).unwrap();
        let file = folder.path().join("[::1]:5000/ca.crt");
        assert_eq!(fs::read_to_string(file).unwrap(), "PEM");
        for registry in ["../x", "..", "", "a/b"] {
            assert!(write(folder.path(), &all(registry)).is_err(), "{registry}");
        }
    }
}
