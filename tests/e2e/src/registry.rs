//! Registries, proxies and engine plugins, with Debian's registry on the host's loopback.

mod certificates;
mod engine_plugin;
mod images_there_and_back;
mod proxy;
mod server;
mod stage;
mod trust;

use crate::suite::{Suite, tests};

pub(crate) const SUITE: Suite = Suite {
    name: "registry",
    tests: tests![
        stage::settings_reach_the_engine,
        images_there_and_back::push_and_pull,
        images_there_and_back::pull_through_a_proxy,
        images_there_and_back::pull_from_a_mirror,
        images_there_and_back::registry_in_a_container,
        trust::private_authority,
        trust::unlisted_registries_are_refused,
        engine_plugin::install_enable_use_disable,
        stage::settings_return_to_their_defaults,
    ],
};
