//! compose and buildx for a docker CLI that has none: links in the user's own folder of plugins.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use coracle_host_paths::{tools_dir, user_home};

use crate::platform;

const PLUGINS: [&str; 2] = ["docker-compose", "docker-buildx"];

/// Links to those of our tools that the docker CLI would find nowhere. What is there stays as it is.
pub(crate) fn link() -> io::Result<()> {
    let Some(folder) = config_folder() else {
        return Ok(());
    };
    let folder = folder.join("cli-plugins");
    let system = platform::DOCKER_PLUGINS.map(Path::new);
    link_missing(&tools_dir().join("cli-plugins"), &folder, &system)
}

fn link_missing(from: &Path, folder: &Path, system: &[&Path]) -> io::Result<()> {
    for name in PLUGINS {
        let (plugin, link) = (from.join(name), folder.join(name));
        let is_there = link.exists() || system.iter().any(|other| other.join(name).exists());
        if is_there || !plugin.is_file() {
            continue;
        }
        // A link that leads nowhere is one to tools that are gone.
        if link.is_symlink() {
            fs::remove_file(&link)?;
        }
        fs::create_dir_all(folder)?;
        platform::symlink(&plugin, &link)?;
    }
    Ok(())
}

/// `$DOCKER_CONFIG`, else `~/.docker`.
fn config_folder() -> Option<PathBuf> {
    match std::env::var_os("DOCKER_CONFIG").filter(|value| !value.is_empty()) {
        Some(folder) => Some(folder.into()),
        None => Some(user_home()?.join(".docker")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_nowhere_is_linked() {
        let scratch = tempfile::tempdir().unwrap();
        let [tools, own, system] = ["tools", "own", "system"].map(|name| scratch.path().join(name));
        for folder in [&tools, &own, &system] {
            fs::create_dir(folder).unwrap();
        }
        let read = |file: &Path| fs::read_to_string(file).unwrap();
        fs::write(tools.join("docker-compose"), "ours").unwrap();
        fs::write(tools.join("docker-buildx"), "ours").unwrap();
        fs::write(system.join("docker-buildx"), "system").unwrap();
        platform::symlink(scratch.path().join("gone"), own.join("docker-compose")).unwrap();
        link_missing(&tools, &own, &[&system]).unwrap();
        assert_eq!(read(&own.join("docker-compose")), "ours");
        assert!(!own.join("docker-buildx").is_symlink());

        fs::remove_file(own.join("docker-compose")).unwrap();
        fs::write(own.join("docker-compose"), "the user's").unwrap();
        link_missing(&tools, &own, &[&system]).unwrap();
        assert_eq!(read(&own.join("docker-compose")), "the user's");
    }
}
