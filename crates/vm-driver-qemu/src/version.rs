//! Versions of QEMU and virtiofsd, from what `--version` prints.

use std::fmt;

/// Major and minor number, and the rest of the number as it was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    text: String,
}

impl Version {
    /// From QEMU's `QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)`.
    pub(crate) fn of_qemu(output: &str) -> Option<Self> {
        Self::parse(output.strip_prefix("QEMU emulator version ")?)
    }

    /// From `virtiofsd 1.13.2`. The older program of this name, which came with
    /// QEMU up to 7.2, prints `virtiofsd version 7.2.0` and is not meant.
    pub(crate) fn of_virtiofsd(output: &str) -> Option<Self> {
        Self::parse(output.strip_prefix("virtiofsd ")?)
    }

    pub(crate) fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.split_whitespace().next()?;
        let mut numbers = text
            .split('.')
            .map(|part| part.chars().take_while(char::is_ascii_digit).collect());
        let mut next = || {
            numbers
                .next()
                .and_then(|digits: String| digits.parse().ok())
        };
        Some(Self {
            major: next()?,
            minor: next()?,
            text: text.into(),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_distributions_print() {
        let qemu = |text| Version::of_qemu(text).map(|v| (v.major, v.minor, v.to_string()));
        assert_eq!(
            qemu("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\nCopyright"),
            Some((10, 0, "10.0.2".into()))
        );
        assert_eq!(
            qemu("QEMU emulator version 9.2.0-rc1\n"),
            Some((9, 2, "9.2.0-rc1".into()))
        );
        assert_eq!(qemu("QEMU emulator version next\n"), None);
        assert_eq!(qemu(""), None);
        assert_eq!(
            Version::of_virtiofsd("virtiofsd 1.13.2\n").map(|v| v.to_string()),
            Some("1.13.2".into())
        );
        assert_eq!(Version::of_virtiofsd("virtiofsd version 7.2.0\n"), None);
    }

    #[test]
    fn ten_is_newer_than_nine() {
        let version = Version::of_qemu("QEMU emulator version 10.0.2").unwrap();
        assert!(version.at_least(9, 0) && version.at_least(10, 0));
        assert!(!version.at_least(10, 1));
    }
}
