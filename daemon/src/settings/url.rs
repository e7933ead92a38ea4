//! URLs of proxies and registries, as far as settings need them.

/// How the guest calls the host.
pub(super) const HOST: &str = "host.docker.internal";

/// `scheme://[user@]host[:port][/rest]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    pub(super) user: Option<&'a str>,
    /// A name, an IPv4 address or an IPv6 address in brackets.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    /// What comes after the authority.
    pub(super) rest: &'a str,
}

impl<'a> Url<'a> {
    /// Reads it; `None` when it is none.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        let (scheme, after) = text.split_once("://")?;
        let (authority, rest) = match after.find(['/', '?', '#']) {
            Some(at) => after.split_at(at),
            None => (after, ""),
        };
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        let (host, port) = address_of(address)?;
        Some(Self {
            scheme,
            user,
            host,
            port,
            rest,
        })
    }

    /// The same as the guest must write it: the host's loopback is another one than the guest's.
    pub(super) fn for_guest(&self) -> String {
        let loopback = self.host.eq_ignore_ascii_case("localhost")
            || self.host == "[::1]"
            || self
                .host
                .parse()
                .is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback());
        let host = if loopback { HOST } else { self.host };
        let user = self.user.map(|user| format!("{user}@")).unwrap_or_default();
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{user}{host}{port}{}", self.scheme, self.rest)
    }
}

/// Host and port of `host[:port]`; `None` when it is something else.
pub(super) fn address_of(text: &str) -> Option<(&str, Option<u16>)> {
    let bracket = text.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match text[bracket..].rfind(':') {
        Some(at) => {
            let port: u16 = text[bracket + at + 1..].parse().ok()?;
            (&text[..bracket + at], Some(port).filter(|port| *port > 0))
        }
        None => (text, None),
    };
    let has_port = host.len() < text.len();
    let is_address = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            host.parse::<std::net::Ipv4Addr>().is_ok()
                || coracle_guest_api::resolve::is_host_name(host)
        }
    };
    (is_address && has_port == port.is_some()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_and_loopback_is_the_hosts() {
        let url = Url::parse("http://me:p@ss@[::1]:3128/x?y").unwrap();
        assert_eq!(
            (url.user, url.host, url.port),
            (Some("me:p@ss"), "[::1]", Some(3128))
        );
        assert_eq!(
            url.for_guest(),
            "http://me:p@ss@host.docker.internal:3128/x?y"
        );
        for (text, guests) in [
            ("http://127.0.0.1:1", "http://host.docker.internal:1"),
            ("https://LocalHost", "https://host.docker.internal"),
            ("http://10.0.0.1:3128/", "http://10.0.0.1:3128/"),
            ("socks5://proxy.corp:1080", "socks5://proxy.corp:1080"),
        ] {
            assert_eq!(Url::parse(text).unwrap().for_guest(), guests);
        }
        for text in [
            "proxy:3128",
            "http://",
            "http://a b",
            "http://x:0",
            "http://x:99999",
            "http://x:",
            "http://:1",
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_are_names_or_numbers_with_a_port_or_none() {
        assert_eq!(
            address_of("registry.corp:5000"),
            Some(("registry.corp", Some(5000)))
        );
        assert_eq!(address_of("10.0.0.1"), Some(("10.0.0.1", None)));
        assert_eq!(
            address_of("[fd00::1]:5000"),
            Some(("[fd00::1]", Some(5000)))
        );
        for text in [
            "",
            ":5000",
            "fd00::1",
            "a/b",
            "../x",
            "x:5000:1",
            "[x]:1",
            "300.1.1.1",
        ] {
            assert_eq!(address_of(text), None, "{text}");
        }
    }
}
