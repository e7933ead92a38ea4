//! Names of the host and of its network in containers.

mod host;
mod network;
pub(crate) mod server;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "names",
    tests: tests![
        host::every_network_reaches_the_hosts_loopback,
        host::overlay_networks_do_too,
        host::host_gateway_is_the_host,
        host::ipv6_is_not_promised,
        network::the_hosts_own_name_is_known,
        network::unknown_names_do_not_exist,
        network::containers_find_each_other,
    ],
};
