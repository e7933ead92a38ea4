//! Names of the network, as the host itself resolves them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The longest name that is asked for, in bytes.
pub const MAX_NAME: usize = 253;

/// The longest part of a name between dots, in bytes.
pub const MAX_LABEL: usize = 63;

/// How many addresses an answer has at most.
pub const MAX_ADDRESSES: usize = 64;

/// What the guest wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lookup {
    /// The addresses of a name, as [`is_host_name`] allows it.
    Name(String),
    /// The name of an address.
    Address(IpAddr),
}

/// The host's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// At least one address of the name, of either family, in the host's order.
    Addresses(Vec<IpAddr>),
    /// A name of the address.
    Name(String),
    /// The host knows no such name, or none with addresses: it cannot tell these apart.
    NotFound,
    /// The host could not find out now.
    Unavailable,
}

/// Whether a name is one of a host: dotted labels of ASCII letters, digits, `-` and `_`, and
/// nothing that a resolver would read as an address (`10.1`, `0x7f.1`).
pub fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("0x"))
        && last[2..].bytes().all(|byte| byte.is_ascii_hexdigit());
    name.len() <= MAX_NAME
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
        && !hexadecimal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_and_nothing_else_pass() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        for name in [
            "vm",
            "Debian.org",
            "_dmarc.x-1.test",
            "1and1.de",
            "7up",
            &longest,
        ] {
            assert!(is_host_name(name), "{name}");
        }
        let long_label = "a".repeat(64);
        let too_long = format!("{longest}a");
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "1",
            "127.1",
            "10.0.0.1",
            "0x7f.1",
            "1.0X7F",
            "0x",
            "::1",
            "a b",
            "a/b",
            "a\0b",
            "é.fr",
            "-n",
            "a%b",
            &long_label,
            &too_long,
        ] {
            assert!(!is_host_name(name), "{name}");
        }
    }
}
