use anyhow::Result;
use coracle_vm_harness::Coracle;

use super::images_there_and_back::{pull, push};
use super::server::Server;
use super::stage::{HOST, free_port, stage};
use crate::images;
use crate::suite::contains;

pub(super) fn private_authority(coracle: &Coracle) -> Result<()> {
    let stage = stage(coracle)?;
    let _server = Server::start(coracle, stage.secure, Some(&stage.certificate))?;
    let name = format!("{HOST}:{}/busybox", stage.secure);
    push(coracle, &name)?;
    pull(coracle, &name)
}

/// On ports that no setting names.
pub(super) fn unlisted_registries_are_refused(coracle: &Coracle) -> Result<()> {
    let stage = stage(coracle)?;
    let image = images::busybox(coracle)?;
    for (tls, why) in [
        (None, "server gave HTTP response to HTTPS client"),
        (
            Some(&stage.certificate),
            "certificate signed by unknown authority",
        ),
    ] {
        let port = free_port()?;
        let _server = Server::start(coracle, port, tls)?;
        let name = format!("{HOST}:{port}/busybox");
        coracle.docker(["tag", image, &name]).ok()?;
        let refused = coracle.docker(["push", &name]).refused()?;
        coracle.docker(["image", "rm", &name]).ok()?;
        contains(&refused, &[why])?;
    }
    Ok(())
}
