//! dockerd's flags, in the manner of Go's `flag` package.

use std::str::FromStr;

use coracle_guest_api::port::{PortRequest, Protocol};

/// Flags that take no value. dockerd adds some with its versions; these change nothing here.
const SWITCHES: &[&str] = &["use-listen-fd"];

/// Reads the request; an error is one sentence.
pub(super) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<PortRequest, String> {
    let mut protocol = Protocol::Tcp;
    let (mut host_ip, mut host_port, mut container_ip, mut container_port) =
        (None, None, None, None);
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument
            .strip_prefix("--")
            .or_else(|| argument.strip_prefix('-'))
        else {
            return Err(format!("`{argument}` is not a flag"));
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        if SWITCHES.contains(&name) {
            continue;
        }
        let value = value
            .or_else(|| arguments.next())
            .ok_or_else(|| format!("the flag -{name} has no value"))?;
        match name {
            "proto" => {
                protocol = match value.as_str() {
                    "tcp" => Protocol::Tcp,
                    "udp" => Protocol::Udp,
                    "sctp" => Protocol::Sctp,
                    _ => return Err(format!("the protocol {value} is not known")),
                }
            }
            "host-ip" => host_ip = Some(read(name, &value)?),
            "host-port" => host_port = Some(read(name, &value)?),
            "container-ip" => container_ip = Some(read(name, &value)?),
            "container-port" => container_port = Some(read(name, &value)?),
            _ => return Err(format!("the flag -{name} is not known")),
        }
    }
    let missing = |name: &str| format!("the flag -{name} is missing");
    Ok(PortRequest {
        protocol,
        host_ip: host_ip.ok_or_else(|| missing("host-ip"))?,
        host_port: host_port.ok_or_else(|| missing("host-port"))?,
        container_ip: container_ip.ok_or_else(|| missing("container-ip"))?,
        container_port: container_port.ok_or_else(|| missing("container-port"))?,
    })
}

fn read<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("`{value}` does not fit the flag -{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<PortRequest, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn dockerds_own_lines_are_understood() {
        let old = "-proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80";
        let request = parse_line(old).unwrap();
        assert_eq!(request.protocol, Protocol::Tcp);
        assert_eq!((request.host_port, request.container_port), (8080, 80));
        assert_eq!(request.host_ip.to_string(), "0.0.0.0");
        let newer = "-proto udp -host-ip :: -host-port 53 -container-ip fd00::2 -container-port 53 -use-listen-fd";
        let request = parse_line(newer).unwrap();
        assert_eq!(request.protocol, Protocol::Udp);
        assert!(request.host_ip.is_ipv6() && request.container_ip.is_ipv6());
        assert!(parse_line(&format!("-use-listen-fd {old}")).is_ok());
        assert!(
            parse_line(
                "--proto=sctp --host-ip=::1 --host-port=1 --container-ip=::2 --container-port=2"
            )
            .is_ok()
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, named) in [
            ("-proto icmp", "icmp"),
            ("-host-port 70000", "host-port"),
            ("-host-ip", "host-ip"),
            ("-colour red", "colour"),
            ("8080", "8080"),
            (
                "-host-ip 0.0.0.0 -host-port 1 -container-ip 10.0.0.1",
                "container-port",
            ),
        ] {
            let error = parse_line(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
