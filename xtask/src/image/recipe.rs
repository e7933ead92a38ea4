//! The recipe's data in `vm-image/`: lists with a line each, `#` begins a comment.

use crate::arch::Arch;
use crate::checkout;
use crate::digest::Digest;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

/// What the image is made of.
pub(super) struct Recipe {
    /// Debian packages of the root.
    pub(super) root_packages: Vec<String>,
    /// Debian packages of the kernel.
    pub(super) kernel_packages: Vec<String>,
    /// Python packages that go into containers.
    pub(super) python: Vec<String>,
    /// Names of the modules that find the root.
    pub(super) initramfs_modules: Vec<String>,
    /// Patterns of the modules of the root.
    pub(super) root_modules: Vec<String>,
    /// Patterns of paths to leave out of the root.
    pub(super) remove: Vec<String>,
    /// Symbolic links: path and target.
    pub(super) links: Vec<(String, String)>,
    /// Applets of busybox that may get a name.
    pub(super) busybox_links: Vec<String>,
    /// Folders: path and mode.
    pub(super) folders: Vec<(String, u32)>,
    /// Files laid over the root.
    pub(super) overlay: PathBuf,
}

/// Reads the recipe for an architecture.
pub(super) fn read(arch: Arch) -> Result<Recipe> {
    let pairs = |name: &str| -> Result<Vec<(String, String)>> {
        let split = |line: String| match line.split_once(char::is_whitespace) {
            Some((path, rest)) => Ok((path.to_owned(), rest.trim().to_owned())),
            None => bail!("vm-image/{name}: `{line}` needs two words"),
        };
        list(name)?.into_iter().map(split).collect()
    };
    let mode = |(path, mode): (String, String)| {
        let mode = u32::from_str_radix(&mode, 8)
            .with_context(|| format!("mode of {path} in vm-image/folders"))?;
        Ok((path, mode))
    };
    Ok(Recipe {
        root_packages: list("packages/root")?,
        kernel_packages: list(&format!("packages/kernel.{arch}"))?,
        python: list("packages/python")?,
        initramfs_modules: list("modules/initramfs")?,
        root_modules: list("modules/root")?,
        remove: list("remove")?,
        links: pairs("links")?,
        busybox_links: list("busybox-links")?,
        folders: pairs("folders")?
            .into_iter()
            .map(mode)
            .collect::<Result<_>>()?,
        overlay: folder()?.join("root"),
    })
}

/// Identifies everything that decides about kernel and root, but for Debian's versions.
pub(super) fn hash(arch: Arch) -> Result<String> {
    let folder = folder()?;
    let mut digest = Digest::default();
    digest.add(arch.debian());
    for source in [
        include_str!("base.rs"),
        include_str!("modules.rs"),
        include_str!("python.rs"),
        include_str!("recipe.rs"),
        include_str!("root.rs"),
        include_str!("../debian.rs"),
    ] {
        digest.add(source);
    }
    for part in [
        "packages",
        "modules",
        "remove",
        "links",
        "busybox-links",
        "folders",
        "root",
    ] {
        digest.add(part);
        digest.add_tree(&folder.join(part))?;
    }
    Ok(digest.finish())
}

fn folder() -> Result<PathBuf> {
    Ok(checkout::root()?.join("vm-image"))
}

fn list(name: &str) -> Result<Vec<String>> {
    let path = folder()?.join(name);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(lines(&text))
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        assert_eq!(
            lines("# about\n\n overlay # needed\nsquashfs"),
            ["overlay", "squashfs"]
        );
    }

    #[test]
    fn the_recipes_of_all_architectures_can_be_read() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let recipe = read(arch).unwrap();
            assert!(recipe.root_packages.iter().any(|name| name == "docker.io"));
            let kernel = recipe.kernel_packages.join(" ");
            for wanted in ["linux-image-cloud-", "linux-headers-cloud-"] {
                assert!(kernel.contains(wanted), "{arch}: {kernel}");
            }
            assert!(recipe.folders.contains(&("tmp".into(), 0o1777)));
        }
        assert_ne!(hash(Arch::X86_64).unwrap(), hash(Arch::Aarch64).unwrap());
    }
}
