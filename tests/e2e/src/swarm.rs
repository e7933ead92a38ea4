//! Docker swarm, through the host's docker command and its localhost.

mod demonstration;
mod ingress;
mod page;
mod parts;
mod placement;
mod services;
mod stack;
mod verbs;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "swarm",
    tests: tests![
        verbs::swarm_is_turned_on_shown_and_off,
        verbs::certificates_outlive_a_sleeping_machine,
        services::created_scaled_and_listed,
        services::update_and_rollback_by_hand,
        services::logs_of_all_replicas,
        services::unhealthy_replica_is_replaced,
        ingress::answers_go_round_the_replicas,
        ingress::ports_are_added_and_removed,
        ingress::random_port,
        ingress::host_mode_port_is_one_listener,
        ingress::udp,
        ingress::taken_port_is_told_and_retried,
        ingress::ports_come_back_after_the_engine_was_killed,
        parts::secrets_and_configs,
        parts::names_on_an_overlay_network,
        placement::global_service_and_node_labels,
        stack::voting_app,
        demonstration::scale_update_and_rollback_are_seen_on_the_page,
        verbs::leaving_closes_the_ports,
        verbs::swarm_is_there_after_a_hundred_days,
    ],
};
