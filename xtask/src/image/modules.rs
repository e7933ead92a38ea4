//! Kernel modules: which to take along, and in which order to load them.

use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// The modules of one kernel by path below its folder: `kernel/fs/overlayfs/overlay.ko.xz`.
pub(super) struct Modules {
    /// Each module's dependencies.
    dependencies: BTreeMap<String, Vec<String>>,
    /// Names of what is in the kernel itself.
    builtin: BTreeSet<String>,
}

impl Modules {
    /// From the texts of `modules.dep` and `modules.builtin`.
    pub(super) fn parse(dep: &str, builtin: &str) -> Result<Self> {
        let entry = |line: &str| -> Result<(String, Vec<String>)> {
            let (path, needs) = line
                .split_once(':')
                .with_context(|| format!("modules.dep: no colon in `{line}`"))?;
            Ok((
                path.to_owned(),
                needs.split_whitespace().map(str::to_owned).collect(),
            ))
        };
        Ok(Self {
            dependencies: dep.lines().map(entry).collect::<Result<_>>()?,
            builtin: builtin.lines().map(name).collect(),
        })
    }

    /// The paths to load for these names, each after what it depends on.
    pub(super) fn load_order(&self, names: &[String]) -> Result<Vec<String>> {
        let paths: BTreeMap<String, &String> = self
            .dependencies
            .keys()
            .map(|path| (name(path), path))
            .collect();
        let mut order = Vec::new();
        for wanted in names {
            match paths.get(&name(wanted)) {
                Some(path) => self.visit(path, &mut order, &mut Vec::new())?,
                None if self.builtin.contains(&name(wanted)) => {}
                None => bail!("the kernel has no module `{wanted}`"),
            }
        }
        Ok(order)
    }

    /// The paths that the patterns select, with all they depend on.
    pub(super) fn select(&self, patterns: &[String]) -> Result<BTreeSet<String>> {
        let mut chosen = BTreeSet::new();
        for line in patterns {
            let (take, text) = match line.strip_prefix('!') {
                Some(text) => (false, text),
                None => (true, line.as_str()),
            };
            let pattern = glob::Pattern::new(text)
                .with_context(|| format!("vm-image/modules/root: `{line}`"))?;
            let matching = |path: &&String| {
                let stem = path.strip_prefix("kernel/").unwrap_or(path);
                pattern.matches(stem.split(".ko").next().unwrap_or(stem))
            };
            let found: Vec<_> = self.dependencies.keys().filter(matching).cloned().collect();
            for path in found {
                match take {
                    true => chosen.insert(path),
                    false => chosen.remove(&path),
                };
            }
        }
        let mut closed = Vec::new();
        for path in &chosen {
            self.visit(path, &mut closed, &mut Vec::new())?;
        }
        Ok(closed.into_iter().collect())
    }

    fn visit(&self, path: &str, order: &mut Vec<String>, above: &mut Vec<String>) -> Result<()> {
        if order.iter().any(|done| done == path) {
            return Ok(());
        }
        if above.iter().any(|upper| upper == path) {
            bail!("modules.dep: {path} depends on itself");
        }
        let needs = self
            .dependencies
            .get(path)
            .with_context(|| format!("modules.dep: {path} is needed and not listed"))?;
        above.push(path.to_owned());
        for need in needs {
            self.visit(need, order, above)?;
        }
        above.pop();
        order.push(path.to_owned());
        Ok(())
    }
}

/// A module's name: the kernel takes `-` and `_` for the same.
pub(super) fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    // depmod lists what a module needs from the last to load to the first.
    const DEP: &str = "\
kernel/net/llc/llc.ko.xz:
kernel/net/802/stp.ko.xz: kernel/net/llc/llc.ko.xz
kernel/net/bridge/bridge.ko.xz: kernel/net/802/stp.ko.xz kernel/net/llc/llc.ko.xz
kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz kernel/net/802/stp.ko.xz kernel/net/llc/llc.ko.xz
kernel/fs/xfs/xfs.ko.xz: kernel/lib/libcrc32c.ko.xz
kernel/lib/libcrc32c.ko.xz:
kernel/drivers/block/virtio-blk.ko.xz:";

    fn modules() -> Modules {
        Modules::parse(DEP, "kernel/drivers/virtio/virtio_pci.ko\n").unwrap()
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_a_module_needs_is_loaded_before_it_and_once() {
        let order = modules()
            .load_order(&words("br_netfilter bridge virtio_blk"))
            .unwrap();
        let names: Vec<_> = order.iter().map(|path| name(path)).collect();
        assert_eq!(
            names,
            ["llc", "stp", "bridge", "br_netfilter", "virtio_blk"]
        );
    }

    #[test]
    fn built_in_modules_are_skipped_and_unknown_ones_refused() {
        assert!(
            modules()
                .load_order(&words("virtio_pci"))
                .unwrap()
                .is_empty()
        );
        let error = modules().load_order(&words("9p")).unwrap_err();
        assert!(error.to_string().contains("`9p`"));
    }

    #[test]
    fn patterns_select_with_dependencies_and_without_what_is_taken_away() {
        let chosen = modules()
            .select(&words("net/bridge/* fs/* !fs/xfs/*"))
            .unwrap();
        let names: Vec<_> = chosen.iter().map(|path| name(path)).collect();
        assert_eq!(names, ["stp", "br_netfilter", "bridge", "llc"]);
    }

    #[test]
    fn a_cycle_is_an_error() {
        let modules = Modules::parse("a.ko: b.ko\nb.ko: a.ko", "").unwrap();
        assert!(modules.load_order(&words("a")).is_err());
    }
}
