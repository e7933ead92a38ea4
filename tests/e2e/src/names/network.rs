use std::net::{IpAddr, ToSocketAddrs};

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use super::server::{self, WORDS};
use crate::images;
use crate::skips::Skip;

/// The host's name is in its `/etc/hosts`, seldom in the DNS.
pub(super) fn the_hosts_own_name_is_known(coracle: &Coracle) -> Result<()> {
    let name = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    let known = (name.as_str(), 0)
        .to_socket_addrs()
        .is_ok_and(|mut all| all.any(|address| matches!(address.ip(), IpAddr::V4(_))));
    if !known {
        return Err(Skip(format!("this host does not know its own name {name}")).into());
    }
    let port = server::start("0.0.0.0", WORDS)?;
    let image = images::busybox(coracle)?;
    let url = format!("http://{name}:{port}/");
    coracle.docker(["network", "create", "names"]).ok()?;
    for network in ["bridge", "names"] {
        let text = coracle
            .docker(["run", "--rm", "--network", network, image])
            .args(["wget", "-q", "-O", "-", &url])
            .text()?;
        ensure!(text == WORDS, "{text:?} came from {url} in {network}");
    }
    coracle.docker(["network", "rm", "names"]).ok()?;
    Ok(())
}

pub(super) fn unknown_names_do_not_exist(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let text = coracle
        .docker(["run", "--rm", image, "nslookup", "no-such-host.invalid"])
        .refused()?;
    ensure!(!text.contains("timed out"), "{text}");
    Ok(())
}

/// The engine's own names come before those of the host.
pub(super) fn containers_find_each_other(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    coracle.docker(["network", "create", "names"]).ok()?;
    let serve = "echo here >/tmp/index.html && exec httpd -f -p 80 -h /tmp";
    coracle.background([
        "--network",
        "names",
        "--name",
        "server",
        image,
        "sh",
        "-c",
        serve,
    ])?;
    let text = coracle
        .docker(["run", "--rm", "--network", "names", image, "sh", "-c"])
        .arg("for i in 1 2 3 4 5; do wget -q -O - http://server/ && break; sleep 1; done")
        .text()?;
    ensure!(text == "here", "{text:?} came from the other container");
    coracle.remove_containers()?;
    coracle.docker(["network", "rm", "names"]).ok()?;
    Ok(())
}
