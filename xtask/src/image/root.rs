//! The root file system: packages pruned, completed, and squashed.

use super::recipe::Recipe;
use crate::process;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Turns a tree of extracted packages into the root, all but the kernel's modules.
pub(super) fn prepare(root: &Path, recipe: &Recipe) -> Result<()> {
    // Modes in the image must not depend on who makes it.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    for pattern in &recipe.remove {
        remove(root, pattern)?;
    }
    drop_setuid(&root.join("usr"))?;
    merge_usr(root)?;
    certificates(root)?;
    lay_over(&recipe.overlay, root)?;
    for (path, target) in &recipe.links {
        link(root, path, target)?;
    }
    for (path, mode) in &recipe.folders {
        let path = root.join(path);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(*mode))?;
    }
    let present = |applet: &str| {
        ["usr/bin", "usr/sbin"]
            .iter()
            .any(|folder| root.join(folder).join(applet).symlink_metadata().is_ok())
    };
    for applet in recipe
        .busybox_links
        .iter()
        .filter(|applet| !present(applet))
    {
        link(root, &format!("usr/bin/{applet}"), "busybox")?;
    }
    Ok(())
}

/// Copies the chosen modules, compressed as they are: kmod in the root unpacks them.
pub(super) fn add_modules(
    root: &Path,
    kernel: &Path,
    release: &str,
    chosen: &BTreeSet<String>,
) -> Result<()> {
    let folder = root.join("usr/lib/modules").join(release);
    let lists = [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ]
    .map(str::to_owned);
    for path in chosen.iter().chain(&lists) {
        let copy = folder.join(path);
        fs::create_dir_all(copy.parent().context("a module is in a folder")?)?;
        fs::copy(kernel.join(path), &copy).with_context(|| format!("cannot copy {path}"))?;
    }
    Ok(())
}

/// Writes the tree as a squashfs whose bytes depend on its contents alone.
pub(super) fn squash(root: &Path, image: &Path) -> Result<()> {
    process::output(
        process::command("mksquashfs")
            .args([root, image])
            .args(["-comp", "zstd", "-Xcompression-level", "15", "-b", "256K"])
            .args([
                "-all-root",
                "-no-xattrs",
                "-mkfs-time",
                "0",
                "-all-time",
                "0",
            ])
            .args(["-noappend", "-no-progress", "-quiet"])
            // mksquashfs refuses to have both this and the times above.
            .env_remove("SOURCE_DATE_EPOCH"),
    )?;
    // mksquashfs makes it for its owner alone.
    fs::set_permissions(image, Permissions::from_mode(0o644))?;
    Ok(())
}

fn remove(root: &Path, pattern: &str) -> Result<()> {
    let full = format!(
        "{}/{pattern}",
        glob::Pattern::escape(&root.to_string_lossy())
    );
    for path in glob::glob(&full).with_context(|| format!("vm-image/remove: `{pattern}`"))? {
        let path = path?;
        let removed = match path.symlink_metadata()?.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Clears what only root's extraction keeps; nobody but root works outside of containers.
fn drop_setuid(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            drop_setuid(&entry.path())?;
        } else if kind.is_file() {
            let mode = entry.metadata()?.permissions().mode();
            if mode & 0o6000 != 0 {
                fs::set_permissions(entry.path(), Permissions::from_mode(mode & 0o777))?;
            }
        }
    }
    Ok(())
}

/// The links at the top that Debian's base-files would bring.
fn merge_usr(root: &Path) -> Result<()> {
    for name in ["bin", "sbin", "lib", "lib64"] {
        if root.join("usr").join(name).is_dir() && root.join(name).symlink_metadata().is_err() {
            symlink(format!("usr/{name}"), root.join(name))?;
        }
    }
    Ok(())
}

/// The bundle that `update-ca-certificates` would make.
fn certificates(root: &Path) -> Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(root.join("usr/share/ca-certificates/mozilla"))? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut bundle = String::new();
    for path in paths {
        bundle.push_str(fs::read_to_string(path)?.trim_end());
        bundle.push('\n');
    }
    let folder = root.join("etc/ssl/certs");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("ca-certificates.crt"), bundle)?;
    Ok(())
}

/// Copies files over the tree; their modes follow from the executable bit
/// alone, so that a checkout's umask does not reach the image.
fn lay_over(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            lay_over(&from, &to)?;
            continue;
        }
        let executable = from.metadata()?.permissions().mode() & 0o100 != 0;
        fs::copy(&from, &to)?;
        fs::set_permissions(
            &to,
            Permissions::from_mode(if executable { 0o755 } else { 0o644 }),
        )?;
    }
    Ok(())
}

fn link(root: &Path, path: &str, target: &str) -> Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if path.symlink_metadata().is_ok() {
        fs::remove_file(&path)?;
    }
    symlink(target, &path).with_context(|| format!("cannot make the link {}", path.display()))
}
