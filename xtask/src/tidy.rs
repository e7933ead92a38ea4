//! The invariants of `ARCHITECTURE.md` that a program can check: which crate may know which,
//! where an operating system may be named, and how long a file may grow.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// Longest source file, in lines; tests may be longer.
const MAX_LINES: usize = 500;

/// How a file begins that a program writes.
const MADE: &str = "// Made by ";

/// What each crate of ours may depend on (tests aside).
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("coracle-guest-api", &[][..]),
        ("coracle-host-paths", &[]),
        ("coracle-vm-driver", &["coracle-guest-api"]),
        (
            "coracle-daemon-api",
            &["coracle-guest-api", "coracle-vm-driver"],
        ),
        ("coracle-engine-proxy", &["coracle-guest-api"]),
        ("coracle-live-debug", &["coracle-guest-api"]),
        ("coracle-engine-client", &["coracle-guest-api"]),
        (
            "coracle-port-forward",
            &["coracle-engine-client", "coracle-guest-api"],
        ),
        (
            "coracle-file-events",
            &["coracle-engine-client", "coracle-guest-api"],
        ),
        (
            "coracle-vm-driver-qemu",
            &[
                "coracle-guest-api",
                "coracle-host-paths",
                "coracle-vm-driver",
            ],
        ),
        (
            "coracle-cli",
            &[
                "coracle-daemon-api",
                "coracle-guest-api",
                "coracle-host-paths",
            ],
        ),
        ("coracle-app", &["coracle-daemon-api", "coracle-host-paths"]),
        ("coracle-debug-stub", &[]),
        (
            "coracle-guest-agent",
            &["coracle-debug-stub", "coracle-guest-api"],
        ),
        (
            "coracled",
            &[
                "coracle-daemon-api",
                "coracle-engine-client",
                "coracle-engine-proxy",
                "coracle-file-events",
                "coracle-guest-api",
                "coracle-host-paths",
                "coracle-live-debug",
                "coracle-port-forward",
                "coracle-vm-driver",
                "coracle-vm-driver-qemu",
            ],
        ),
    ])
}

/// Crates that automate and test: they may know everything.
const FREE: [&str; 4] = ["xtask", "coracle-e2e", "coracle-fuzz", "coracle-vm-harness"];

/// Checks the checkout at `root`; the error lists every violation.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut violations = dependencies(root)?;
    for file in sources(root)? {
        let text = fs::read_to_string(root.join(&file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        violations.extend(seams(&file, &text));
        violations.extend(shell(&file, &text));
        violations.extend(length(&file, &text));
    }
    if !violations.is_empty() {
        bail!("{}", violations.join("\n"));
    }
    Ok(())
}

fn dependencies(root: &Path) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .no_deps()
        .exec()
        .context("cargo metadata failed")?;
    let allowed = allowed();
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if FREE.contains(&name) {
            continue;
        }
        let Some(may) = allowed.get(name) else {
            violations.push(format!(
                "{name} has no dependency rule: add one to xtask/src/tidy.rs"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let ours = dependency.path.is_some();
            if ours
                && dependency.kind != DependencyKind::Development
                && !may.contains(&dependency.name.as_str())
            {
                violations.push(format!("{name} must not depend on {}", dependency.name));
            }
        }
    }
    Ok(violations)
}

/// Sources of ours that git knows, relative to `root`.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let output = std::process::Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.rs",
            "ui/src/*.ts",
            "ui/src/*.svelte",
        ])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!("git ls-files failed: the check runs inside a git checkout");
    }
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(names
        .split_terminator('\0')
        .map(PathBuf::from)
        .filter(|file| root.join(file).is_file())
        .collect())
}

/// An operating system is named at a `mod platform` seam, in a driver, or in
/// what runs on one system only.
fn seams(file: &Path, text: &str) -> Vec<String> {
    let path = file.to_string_lossy();
    let exempt = path.contains("/platform")
        || path.contains("vm-driver-")
        || path.ends_with("drivers.rs")
        || path.starts_with("xtask/")
        || is_test(file)
        || path.starts_with("vm-image/");
    if exempt {
        return Vec::new();
    }
    let mut in_platform = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        in_platform |= line.starts_with("mod platform {");
        let names = ["target_os", "cfg(unix", "cfg(windows", "cfg(not(unix"];
        if !in_platform && names.iter().any(|name| line.contains(name)) {
            found.push(format!(
                "{path}:{}: an operating system is named outside a platform module",
                number + 1
            ));
        }
        if line == "}" {
            in_platform = false;
        }
    }
    found
}

/// In the app, only the real desktop and what the page can ask for know tauri; in the page, its real host.
fn shell(file: &Path, text: &str) -> Option<String> {
    if file.starts_with("ui/src") && file != Path::new("ui/src/host/tauri.ts") {
        return text.contains("@tauri-apps").then(|| {
            format!(
                "{} imports tauri, which is for ui/src/host/tauri.ts",
                file.display()
            )
        });
    }
    let below = file.strip_prefix("src-tauri/src").ok()?;
    let knows = below.starts_with("desktop")
        || below.starts_with("commands")
        || ["desktop.rs", "commands.rs"]
            .iter()
            .any(|own| below == Path::new(own));
    (!knows && text.contains("tauri::")).then(|| {
        format!(
            "{} names tauri, which is for desktop.rs and commands.rs",
            file.display()
        )
    })
}

fn length(file: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MAX_LINES && !is_test(file) && !text.starts_with(MADE)).then(|| {
        format!(
            "{} has {lines} lines, more than {MAX_LINES}: look for a second responsibility",
            file.display()
        )
    })
}

fn is_test(file: &Path) -> bool {
    file.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_named_only_at_a_seam() {
        let inside = "mod platform {\n    #[cfg(unix)]\n    mod unix {}\n}\n";
        let outside = "#[cfg(target_os = \"linux\")]\nfn f() {}\n";
        assert!(seams(Path::new("daemon/src/a.rs"), inside).is_empty());
        assert_eq!(seams(Path::new("daemon/src/a.rs"), outside).len(), 1);
        assert!(seams(Path::new("daemon/src/platform/linux.rs"), outside).is_empty());
    }

    #[test]
    fn tauri_is_for_the_desktop_and_the_commands() {
        let of = |file: &str| shell(Path::new(file), "use tauri::ipc::Channel;\n");
        for file in ["desktop.rs", "desktop/tray.rs", "commands/panes.rs"] {
            assert_eq!(of(&format!("src-tauri/src/{file}")), None);
        }
        assert!(of("src-tauri/src/followed.rs").is_some());
        assert_eq!(of("crates/cli/src/main.rs"), None);
        let of = |file: &str| shell(Path::new(file), "import \"@tauri-apps/api/core\";\n");
        assert_eq!(of("ui/src/host/tauri.ts"), None);
        assert!(of("ui/src/App.svelte").is_some());
    }

    #[test]
    fn long_files_are_found_but_not_among_tests() {
        let text = "\n".repeat(MAX_LINES + 1);
        assert!(length(Path::new("daemon/src/a.rs"), &text).is_some());
        assert!(length(Path::new("daemon/src/a/tests.rs"), &text).is_none());
    }
}
