//! On which address of the host ports are published that name none.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use serde_json::Value;

/// The address of a value; `None` for all addresses.
pub(super) fn address(value: &Value) -> Result<Option<IpAddr>, String> {
    let wrong = || {
        format!(
            "must be an address of this host as 127.0.0.1, or \"\" for all addresses, not {value}"
        )
    };
    match value.as_str().ok_or_else(wrong)? {
        "" => Ok(None),
        text => {
            let address: IpAddr = text.parse().map_err(|_| wrong())?;
            // The engine takes one of IPv4 in the clothes of IPv6 for what it is.
            let address = address.to_canonical();
            // Some systems would listen there, and nobody could connect.
            match address.is_multicast() || address == Ipv4Addr::BROADCAST {
                true => Err(wrong()),
                false => Ok(Some(address)),
            }
        }
    }
}

/// Refuses what this host cannot listen on now.
pub(super) fn check_is_ours(value: &Value) -> Result<(), String> {
    let Some(address) = address(value)? else {
        return Ok(());
    };
    TcpListener::bind((address, 0)).map(drop).map_err(|error| {
        format!(
            "is to be {address}, on which this host cannot listen ({error}); take 127.0.0.1, an address that the \
             host has, or \"\" for all"
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_or_all() {
        assert_eq!(address(&json!("")), Ok(None));
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "0.0.0.0"),
        ] {
            assert_eq!(address(&json!(text)), Ok(expected.parse().ok()));
        }
        for wrong in [
            json!("localhost"),
            json!("127.0.0.1:80"),
            json!("127.0.0.0/8"),
            json!(" "),
            json!(null),
            json!(["127.0.0.1"]),
        ] {
            let why = address(&wrong).unwrap_err();
            assert!(why.ends_with(&wrong.to_string()), "{why}");
        }
    }

    #[test]
    fn only_this_hosts_addresses_can_be_chosen() {
        for ours in ["", "127.0.0.1", "127.8.8.8", "0.0.0.0"] {
            assert_eq!(check_is_ours(&json!(ours)), Ok(()), "{ours}");
        }
        // For documentation, so nobody's; of a group; of everybody.
        for other in ["192.0.2.1", "2001:db8::1", "224.0.0.1", "255.255.255.255"] {
            let why = check_is_ours(&json!(other)).unwrap_err();
            assert!(why.contains(other) && why.contains("127.0.0.1"), "{why}");
        }
    }
}
