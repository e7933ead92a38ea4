use std::net::TcpListener;
use std::sync::OnceLock;

use anyhow::{Result, anyhow, ensure};
use coracle_vm_harness::Coracle;
use serde_json::json;

use super::certificates::{self, Pair};
use super::proxy::Proxy;
use crate::suite::contains;

/// How the guest calls the host.
pub(super) const HOST: &str = "host.docker.internal";

/// A name that only the proxy knows.
pub(super) const PROXIED: &str = "registry.proxied.invalid";

const KEYS: [&str; 4] = [
    "registry.insecure",
    "registry.mirrors",
    "registry.ca",
    "proxy.http",
];

/// What all tests of the suite share, since a change of settings is a restart.
#[derive(Debug)]
pub(super) struct Stage {
    /// For a registry without TLS, which is allowed, and the mirror.
    pub(super) plain: u16,
    /// For a registry with TLS of our own authority.
    pub(super) secure: u16,
    pub(super) certificate: Pair,
    pub(super) proxy: Proxy,
}

static STAGE: OnceLock<Result<Stage, String>> = OnceLock::new();

/// Makes the settings once, and restarts the VM for them.
pub(super) fn stage(coracle: &Coracle) -> Result<&'static Stage> {
    let made = STAGE.get_or_init(|| prepare(coracle).map_err(|error| format!("{error:#}")));
    made.as_ref().map_err(|error| anyhow!("{error}"))
}

fn prepare(coracle: &Coracle) -> Result<Stage> {
    let folder = coracle.work("certificates")?;
    let authority = certificates::authority(&folder, "authority")?;
    let stage = Stage {
        plain: free_port()?,
        secure: free_port()?,
        certificate: certificates::server(&folder, HOST, &authority)?,
        proxy: Proxy::start()?,
    };
    let (plain, secure) = (stage.plain, stage.secure);
    let values = [
        json!([format!("{HOST}:{plain}"), format!("{PROXIED}:{plain}")]),
        json!([format!("http://127.0.0.1:{plain}")]),
        json!({format!("{HOST}:{secure}"): authority.certificate}),
        json!(format!("http://127.0.0.1:{}", stage.proxy.port)),
    ];
    for (key, value) in KEYS.iter().zip(values) {
        coracle
            .coracle(["config", "set", key, &value.to_string()])
            .ok()?;
    }
    coracle.coracle(["restart"]).ok()?;
    Ok(stage)
}

pub(super) fn settings_reach_the_engine(coracle: &Coracle) -> Result<()> {
    let stage = stage(coracle)?;
    let info = coracle.docker(["info"]).text()?;
    let (plain, proxy) = (stage.plain, stage.proxy.port);
    contains(
        &info,
        &[
            &format!("HTTP Proxy: http://{HOST}:{proxy}"),
            &format!("{PROXIED}:{plain}"),
            &format!("http://{HOST}:{plain}/"),
        ],
    )
}

pub(super) fn settings_return_to_their_defaults(coracle: &Coracle) -> Result<()> {
    stage(coracle)?;
    for key in KEYS {
        coracle.coracle(["config", "set", key, "null"]).ok()?;
    }
    coracle.coracle(["restart"]).ok()?;
    let info = coracle.docker(["info"]).text()?;
    for gone in [HOST, PROXIED, "Registry Mirrors"] {
        ensure!(!info.contains(gone), "{gone} is still in\n{info}");
    }
    Ok(())
}

/// A port that nobody has now.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
