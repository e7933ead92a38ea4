//! Published ports on the host.

mod binding;
mod default_address;
mod families;
mod leaks;
mod peer;
mod streams;

use crate::suite::{Suite, tests};

pub(crate) use peer::Peer;

pub(crate) const SUITE: Suite = Suite {
    name: "ports",
    tests: tests![
        binding::fixed_port_answers_and_closes_with_its_container,
        binding::taken_port_fails_with_the_reason,
        binding::loopback_only_stays_on_loopback,
        binding::random_port,
        binding::status_lists_them,
        default_address::containers_without_an_address_get_the_chosen_one,
        default_address::services_follow_the_chosen_address,
        families::range_of_ports,
        families::ipv6_is_a_listener_of_its_own,
        families::ipv6_loopback_only,
        families::udp_answers_go_to_whom_they_belong,
        families::udp_over_ipv6,
        families::taken_udp_port_fails_with_the_reason,
        streams::server_speaks_first,
        streams::half_close_keeps_the_way_back_open,
        streams::large_transfers_are_intact,
        streams::two_hundred_at_once,
        streams::stopped_container_ends_its_connections,
        streams::nobody_listens_in_the_container,
        leaks::nothing_stays_after_many_containers,
        leaks::nothing_stays_after_the_engine_is_killed,
    ],
};
