//! The names that are answered in the guest.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names of the host as containers know it.
const HOST: [&str; 2] = ["host.docker.internal", "gateway.docker.internal"];

/// The addresses of a name in lower case; `None` when it is none of ours.
pub(super) fn addresses(name: &str, host: Ipv4Addr) -> Option<Vec<IpAddr>> {
    if HOST.contains(&name) {
        return Some(vec![host.into()]);
    }
    // By RFC 6761 it must not leave the machine.
    let local = name == "localhost" || name.ends_with(".localhost");
    local.then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

/// The name of an address; `None` when it is none of ours.
pub(super) fn name(address: IpAddr, host: Ipv4Addr) -> Option<&'static str> {
    (address == host).then_some(HOST[0])
}

/// The address that a name of the form `4.3.2.1.in-addr.arpa` or `….ip6.arpa` asks about.
pub(super) fn reverse(name: &str) -> Option<IpAddr> {
    if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
        let reversed: Vec<&str> = octets.rsplit('.').collect();
        return reversed.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let nibbles: Vec<u8> = name
        .strip_suffix(".ip6.arpa")?
        .rsplit('.')
        .map(|nibble| (nibble.len() == 1).then(|| u8::from_str_radix(nibble, 16).ok())?)
        .collect::<Option<_>>()?;
    let octets: Vec<u8> = nibbles
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    let octets: [u8; 16] = (nibbles.len() == 32).then_some(octets)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names_are_read_and_others_are_not() {
        assert_eq!(
            reverse("2.65.168.192.in-addr.arpa"),
            Some([192, 168, 65, 2].into())
        );
        let six = format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
        assert_eq!(reverse(&six), Some("2001:db8::1".parse().unwrap()));
        for other in [
            "65.168.192.in-addr.arpa",
            "x.0.0.127.in-addr.arpa",
            "1.ip6.arpa",
            "arpa",
            "",
        ] {
            assert_eq!(reverse(other), None, "{other}");
        }
    }

    #[test]
    fn only_our_names_are_answered_here() {
        let host = Ipv4Addr::new(192, 168, 65, 2);
        assert_eq!(
            addresses("host.docker.internal", host),
            Some(vec![host.into()])
        );
        assert_eq!(addresses("a.localhost", host).map(|all| all.len()), Some(2));
        assert_eq!(addresses("xlocalhost", host), None);
        assert_eq!(addresses("docker.internal", host), None);
    }
}
