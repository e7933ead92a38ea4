//! What the host is and has.

use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A version's numbers, compared from the first on.
pub(crate) type Version = Vec<u32>;

/// The host's distribution.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Host {
    /// Its name and those of what it is made after: `ubuntu`, `debian`.
    pub(super) family: Vec<String>,
    /// Its major version; none for a rolling one.
    pub(super) major: Option<u32>,
    /// Whether apt knows bookworm's backports.
    pub(super) has_backports: bool,
}

impl Host {
    pub(super) fn read() -> Result<Self> {
        let release =
            fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
        let sources: String = sources()
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .collect();
        Ok(Self::parse(&release, &sources))
    }

    pub(super) fn parse(release: &str, sources: &str) -> Self {
        let value = |key: &str| {
            let line = release
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim_matches(['"', '\'']).to_owned())
        };
        let names = [value("ID"), value("ID_LIKE")]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ");
        Self {
            family: names.split_whitespace().map(str::to_owned).collect(),
            major: value("VERSION_ID").and_then(|version| version.split('.').next()?.parse().ok()),
            has_backports: sources.lines().any(|line| {
                !line.trim_start().starts_with('#') && line.contains("bookworm-backports")
            }),
        }
    }

    /// Whether it is the Debian release whose QEMU is too old to suspend a VM.
    pub(super) fn is_bookworm(&self) -> bool {
        self.is("debian") && !self.is("ubuntu") && self.major == Some(12)
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.family.iter().any(|member| member == name)
    }
}

/// The numbers of the first word that begins with a digit: `QEMU emulator version 10.0.2 (Debian …)`.
pub(crate) fn parse_version(text: &str) -> Option<Version> {
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let numbers = word
        .split(|char: char| !char.is_ascii_digit() && char != '.')
        .next()?;
    numbers
        .split('.')
        .map(|number| number.parse().ok())
        .collect()
}

/// The version of QEMU's program, if it is there and runs.
pub(super) fn qemu(program: &str) -> Option<Version> {
    let text = process::output(process::command(program).arg("--version")).ok()?;
    parse_version(&text)
}

/// Whether dpkg has the package installed.
pub(super) fn is_installed(package: &str) -> bool {
    let status =
        process::output(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]));
    status.is_ok_and(|status| status == "installed")
}

fn sources() -> Vec<PathBuf> {
    let parts = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten();
    parts
        .map(|entry| entry.path())
        .chain(["/etc/apt/sources.list".into()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let version = |text| parse_version(text).unwrap();
        assert_eq!(
            version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"),
            [10, 0, 2]
        );
        assert!(version("virtiofsd 1.13.2") > version("virtiofsd 1.9.0"));
        assert!(version("7.2.18") < vec![9]);
        assert_eq!(version("8.2.2-0ubuntu1"), [8, 2, 2]);
        assert_eq!(parse_version("virtiofsd"), None);
    }

    #[test]
    fn a_host_is_known_by_its_os_release() {
        let debian = Host::parse(
            "ID=debian\nVERSION_ID=\"12\"\n",
            "# deb x bookworm-backports main\n",
        );
        assert!(debian.is_bookworm() && !debian.has_backports);
        assert!(Host::parse("ID=debian", "deb http://d bookworm-backports main").has_backports);
        let mint = Host::parse(
            "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"22.1\"",
            "",
        );
        assert!(mint.is("ubuntu") && !mint.is_bookworm());
        assert_eq!(mint.major, Some(22));
    }
}
