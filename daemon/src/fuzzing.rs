//! The border's decoder for the fuzz targets in `tests/fuzz`; nothing else calls it.

use std::path::Path;

use crate::HostFacts;
use crate::settings::Store;

/// Takes the text for a settings file, down to the values in force, on a host of fixed size.
pub fn settings(text: &str) -> bool {
    let state = Path::new("/home/me/.coracle");
    let facts = HostFacts {
        cpus: 4,
        memory_mib: 8192,
        user_home: Some("/home/me".into()),
        state: state.into(),
        data_disk: state.join("vm/data.raw"),
        proxies: Default::default(),
    };
    Store::new(state.join("settings.json"), facts)
        .parse(text)
        .is_ok()
}
