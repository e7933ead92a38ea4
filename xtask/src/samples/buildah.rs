//! buildah, with a store and a configuration of its own.
//!
//! It builds without a daemon, and for an ordinary user in a user namespace:
//! chroot isolation and the vfs store need neither a container runtime nor
//! overlay mounts.

use crate::checkout;
use crate::process;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A store of images that is gone when this is dropped.
pub(super) struct Buildah {
    folder: TempDir,
}

impl Buildah {
    /// Makes an empty store in a folder.
    pub(super) fn new(beside: &Path) -> Result<Self> {
        require_sub_ids()?;
        let folder = checkout::scratch(beside)?;
        // The host's own configuration may name mirrors, short names or
        // another storage driver: none of them may change what is built.
        let path = folder.path();
        fs::write(path.join("containers.conf"), "")?;
        fs::write(
            path.join("policy.json"),
            r#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
        )?;
        fs::write(
            path.join("registries.conf"),
            "unqualified-search-registries = [\"docker.io\"]\n",
        )?;
        fs::write(
            path.join("storage.conf"),
            format!(
                "[storage]\ndriver = \"vfs\"\ngraphroot = {:?}\nrunroot = {:?}\n",
                path.join("store"),
                path.join("run")
            ),
        )?;
        Ok(Self { folder })
    }

    /// Makes an image of one layer from the archive of a root file system.
    pub(super) fn import(&self, name: &str, archive: &Path) -> Result<()> {
        let context = self.path().join("import");
        fs::create_dir(&context)?;
        if fs::hard_link(archive, context.join("root.tar")).is_err() {
            fs::copy(archive, context.join("root.tar"))?;
        }
        fs::write(
            context.join("Dockerfile"),
            "FROM scratch\nADD root.tar /\nCMD [\"bash\"]\n",
        )?;
        // Dockerfiles mean Docker Hub's name.
        self.build(&format!("docker.io/library/{name}"), &context)
    }

    /// Builds a folder's Dockerfile into an image of one layer on its base.
    pub(super) fn build(&self, name: &str, context: &Path) -> Result<()> {
        process::output(
            self.command("build")
                .args(["--isolation=chroot", "--format=docker", "--layers=false"])
                .arg("--pull-never")
                .args(self.policy())
                .args(proxy())
                .arg(format!("--tag={name}"))
                .arg(context),
        )?;
        Ok(())
    }

    /// Writes an image's manifest, configuration and layers into a folder, and returns that.
    pub(super) fn export(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path().join("export").join(name.replace('/', "_"));
        if !folder.exists() {
            fs::create_dir_all(&folder)?;
            process::output(
                self.command("push")
                    // Unpacking costs the engine more than reading a few more megabytes.
                    .args(["--disable-compression", "--format=v2s2"])
                    .args(self.policy())
                    .arg(name)
                    .arg(format!("dir:{}", folder.display())),
            )?;
        }
        Ok(folder)
    }

    fn command(&self, verb: &str) -> Command {
        let path = self.path();
        let mut command = process::command("buildah");
        command
            .arg(verb)
            .env("CONTAINERS_CONF", path.join("containers.conf"))
            .env("CONTAINERS_REGISTRIES_CONF", path.join("registries.conf"))
            .env("CONTAINERS_STORAGE_CONF", path.join("storage.conf"))
            .env("TMPDIR", path);
        command
    }

    /// What is built here is trusted, whatever the host says of images from elsewhere.
    fn policy(&self) -> [OsString; 2] {
        let policy = self.path().join("policy.json");
        ["--signature-policy".into(), policy.into()]
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Buildah {
    fn drop(&mut self) {
        if nix::unistd::geteuid().is_root() {
            return;
        }
        // The store's files belong to ids that only the user namespace may touch.
        let _ = process::output(self.command("unshare").args(["rm", "-rf"]).arg(self.path()));
    }
}

/// The host's apt proxy, for the apt of the build.
fn proxy() -> Option<String> {
    let proxy = process::output(Command::new("apt-config").args([
        "shell",
        "proxy",
        "Acquire::http::Proxy",
    ]))
    .ok()?;
    let address = proxy.trim().strip_prefix("proxy='")?.strip_suffix('\'')?;
    Some(format!("--build-arg=http_proxy={address}"))
}

/// An ordinary user needs a range of ids for the files of other users in an image.
fn require_sub_ids() -> Result<()> {
    let user = nix::unistd::geteuid();
    if user.is_root() {
        return Ok(());
    }
    let name = nix::unistd::User::from_uid(user)
        .ok()
        .flatten()
        .map_or_else(|| user.to_string(), |user| user.name);
    for file in ["/etc/subuid", "/etc/subgid"] {
        let ranges = fs::read_to_string(file)
            .with_context(|| format!("cannot read {file}: {}", remedy(&name)))?;
        if !has_range(&ranges, &name, &user.to_string()) {
            bail!("{file} gives {name} no range of ids: {}", remedy(&name));
        }
    }
    Ok(())
}

fn remedy(name: &str) -> String {
    format!(
        "run `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}`, \
         with other numbers if another user has these"
    )
}

fn has_range(ranges: &str, name: &str, uid: &str) -> bool {
    ranges.lines().any(|line| {
        let owner = line.split(':').next().unwrap_or_default();
        owner == name || owner == uid
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_given_by_name_or_by_number() {
        let ranges = "anna:100000:65536\n1003:165536:65536\n";
        assert!(has_range(ranges, "anna", "1001"));
        assert!(has_range(ranges, "carl", "1003"));
        assert!(!has_range(ranges, "ann", "100"));
        assert!(!has_range("", "anna", "1001"));
    }
}
