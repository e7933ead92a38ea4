//! What is needed, and the apt line that brings it.

use super::host::{Host, Version};
use anyhow::{Result, bail};

/// A package, and how to see whether what it brings is there.
pub(super) struct Need {
    pub(super) package: &'static str,
    pub(super) probe: Probe,
}

pub(super) enum Probe {
    /// A program that may as well come from elsewhere.
    Program(&'static str),
    File(&'static str),
    Package,
    /// QEMU's program of this name, of [`least_qemu`] or newer.
    Qemu(&'static str),
}

pub(super) const QEMU: Need = if cfg!(target_arch = "aarch64") {
    Need {
        package: "qemu-system-arm",
        probe: Probe::Qemu("qemu-system-aarch64"),
    }
} else {
    Need {
        package: "qemu-system-x86",
        probe: Probe::Qemu("qemu-system-x86_64"),
    }
};

/// What has to come from the same release as QEMU: apt does not see that by itself.
const QEMU_FAMILY: [&str; 4] = [
    QEMU.package,
    "qemu-system-common",
    "qemu-system-data",
    "seabios",
];

/// What apt is to install where QEMU comes from Debian 12's backports.
pub(crate) fn qemu_from_backports() -> [String; 4] {
    QEMU_FAMILY.map(|name| format!("{name}/bookworm-backports"))
}

/// All that building, running and testing need of the host.
pub(super) fn needs() -> &'static [Need] {
    const fn program(package: &'static str, name: &'static str) -> Need {
        Need {
            package,
            probe: Probe::Program(name),
        }
    }
    const NEEDS: &[Need] = &[
        QEMU,
        Need {
            package: "debian-archive-keyring",
            probe: Probe::File(crate::debian::KEYRING),
        },
        program("buildah", "buildah"),
        program("chromium", "chromium"),
        program("dbus", "dbus-daemon"),
        program("debhelper", "dh"),
        program("e2fsprogs", "e2fsck"),
        program("gcc", "cc"),
        program("gdb", "gdb"),
        program("iproute2", "ip"),
        program("kmod", "depmod"),
        Need {
            package: "libc6-dev",
            probe: Probe::File("/usr/include/stdio.h"),
        },
        Need {
            package: "libayatana-appindicator3-1",
            probe: Probe::Package,
        },
        Need {
            package: "libdbus-1-dev",
            probe: Probe::Package,
        },
        Need {
            package: "libwebkit2gtk-4.1-dev",
            probe: Probe::Package,
        },
        program("lintian", "lintian"),
        program("mmdebstrap", "mmdebstrap"),
        program("nodejs", "node"),
        program("npm", "npm"),
        program("openssl", "openssl"),
        program("pkg-config", "pkg-config"),
        Need {
            package: "python3-venv",
            probe: Probe::Package,
        },
        program("qemu-utils", "qemu-img"),
        program("squashfs-tools", "mksquashfs"),
        // virtiofsd maps the user's ids with it when it does not run as root.
        program("uidmap", "newuidmap"),
        program("webkit2gtk-driver", "WebKitWebDriver"),
        program("xdotool", "xdotool"),
        program("xfce4-panel", "xfce4-panel"),
        program("xvfb", "Xvfb"),
        program("xz-utils", "xz"),
        program("zstd", "zstd"),
    ];
    NEEDS
}

/// The oldest QEMU to do with: from 9 on it can suspend a VM; Ubuntu has no
/// newer one to offer, and does without.
pub(super) fn least_qemu(host: &Host) -> Version {
    if host.is("ubuntu") { vec![0] } else { vec![9] }
}

/// What to do about missing packages.
#[derive(Debug)]
pub(super) struct Plan {
    add_backports: bool,
    packages: Vec<String>,
}

impl Plan {
    pub(super) fn new(host: &Host, missing: &[&str]) -> Result<Self> {
        if !host.is("debian") && !host.is("ubuntu") {
            bail!(
                "{} are missing, and only Debian and Ubuntu are known here: install them by hand",
                missing.join(", ")
            );
        }
        if host.is("debian") && !host.is("ubuntu") && host.major.is_some_and(|major| major < 12) {
            bail!("Debian 12 or newer is needed");
        }
        let qemu_from_backports = host.is_bookworm() && missing.contains(&QEMU.package);
        let mut packages: Vec<String> = missing.iter().map(|name| (*name).to_owned()).collect();
        if qemu_from_backports {
            packages.retain(|name| name != QEMU.package);
            packages.extend(self::qemu_from_backports());
        }
        Ok(Self {
            add_backports: qemu_from_backports && !host.has_backports,
            packages,
        })
    }

    /// The shell line, with `prefix` before each command that needs root.
    pub(super) fn line(&self, prefix: &str) -> String {
        let source = match self.add_backports {
            true => format!(
                "echo 'deb http://deb.debian.org/debian bookworm-backports main' | \
                 {prefix}tee /etc/apt/sources.list.d/coracle-backports.list >/dev/null && "
            ),
            false => String::new(),
        };
        format!(
            "{source}{prefix}apt-get update -q && {prefix}apt-get install -qy --no-install-recommends {}",
            self.packages.join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKWORM: &str = "ID=debian\nVERSION_ID=\"12\"";

    fn line(release: &str, sources: &str, missing: &[&str]) -> String {
        Plan::new(&Host::parse(release, sources), missing)
            .unwrap()
            .line("sudo ")
    }

    #[test]
    fn what_each_part_needs_is_known_here() {
        use crate::apt::{
            APP, GUI_TESTS, IMAGE, PACKAGE, PAGE, PYTHON, SAMPLES, TESTS, TOOLS, TRAY, VM,
        };
        let parts = [
            APP, PAGE, GUI_TESTS, IMAGE, PACKAGE, PYTHON, SAMPLES, TESTS, TOOLS, TRAY, VM,
        ];
        for package in parts.concat() {
            let mut known = needs().iter().map(|need| need.package);
            assert!(
                known.any(|one| one == package),
                "{package} would not be installed"
            );
        }
    }

    #[test]
    fn bookworm_takes_qemu_from_backports_and_adds_them_once() {
        let install = "sudo apt-get update -q && sudo apt-get install -qy --no-install-recommends \
                       zstd qemu-system-x86/bookworm-backports \
                       qemu-system-common/bookworm-backports \
                       qemu-system-data/bookworm-backports seabios/bookworm-backports";
        let needs = ["qemu-system-x86", "zstd"];
        assert_eq!(
            line(BOOKWORM, "deb http://d bookworm-backports main", &needs),
            install
        );
        let with_source = line(BOOKWORM, "", &needs);
        assert!(with_source.starts_with(
            "echo 'deb http://deb.debian.org/debian bookworm-backports main' | sudo tee "
        ));
        assert!(with_source.ends_with(install));
    }

    #[test]
    fn backports_are_left_alone_when_qemu_is_there() {
        assert!(!line(BOOKWORM, "", &["zstd"]).contains("backports"));
    }

    #[test]
    fn newer_releases_and_ubuntu_take_qemu_from_their_archive() {
        for release in [
            "ID=debian\nVERSION_ID=\"13\"",
            "ID=debian",
            "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"",
        ] {
            assert!(
                line(release, "", &["qemu-system-x86"])
                    .ends_with("--no-install-recommends qemu-system-x86")
            );
        }
    }

    #[test]
    fn other_systems_are_told_what_to_install() {
        let error = Plan::new(&Host::parse("ID=fedora\nVERSION_ID=42", ""), &["zstd"]).unwrap_err();
        assert!(error.to_string().contains("zstd"));
    }

    #[test]
    fn what_is_asked_for_is_on_the_list() {
        for package in [
            super::super::APP,
            super::super::GUI_TESTS,
            super::super::IMAGE,
            super::super::PACKAGE,
            super::super::PAGE,
            super::super::SAMPLES,
            super::super::TESTS,
            super::super::TOOLS,
        ]
        .concat()
        {
            assert!(
                needs().iter().any(|need| need.package == package),
                "{package}"
            );
        }
    }
}
