use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;

use super::server::{self, WORDS};
use crate::images;

/// Fetches from the host in a container with these options of `docker run`.
fn fetches(coracle: &Coracle, options: &[&str], name: &str, port: u16) -> Result<()> {
    let image = images::busybox(coracle)?;
    let url = format!("http://{name}:{port}/");
    let text = coracle
        .docker(["run", "--rm"])
        .args(options)
        .args([image, "wget", "-q", "-O", "-", &url])
        .text()
        .with_context(|| format!("{name} with {options:?}"))?;
    ensure!(text == WORDS, "{text:?} came from {url} with {options:?}");
    Ok(())
}

pub(super) fn every_network_reaches_the_hosts_loopback(coracle: &Coracle) -> Result<()> {
    let port = server::start("127.0.0.1", WORDS)?;
    coracle.docker(["network", "create", "names"]).ok()?;
    for options in [&[][..], &["--network", "names"], &["--network", "host"]] {
        fetches(coracle, options, "host.docker.internal", port)?;
    }
    fetches(coracle, &[], "gateway.docker.internal", port)?;
    coracle.docker(["network", "rm", "names"]).ok()?;
    Ok(())
}

/// Several, since each takes the next of swarm's networks: none may hide the host.
pub(super) fn overlay_networks_do_too(coracle: &Coracle) -> Result<()> {
    let port = server::start("127.0.0.1", WORDS)?;
    // A test before this one may have failed in a swarm.
    coracle.docker(["swarm", "leave", "--force"]).run()?;
    coracle.docker(["swarm", "init"]).ok()?;
    let outcome = (|| {
        for number in 1..=3 {
            let network = format!("overlay{number}");
            coracle
                .docker(["network", "create", "--driver", "overlay", "--attachable"])
                .arg(&network)
                .ok()?;
            fetches(
                coracle,
                &["--network", &network],
                "host.docker.internal",
                port,
            )?;
        }
        Ok(())
    })();
    coracle.docker(["swarm", "leave", "--force"]).ok()?;
    outcome
}

pub(super) fn host_gateway_is_the_host(coracle: &Coracle) -> Result<()> {
    let port = server::start("127.0.0.1", WORDS)?;
    let options = ["--add-host", "box:host-gateway"];
    fetches(coracle, &options, "box", port)
}

/// There is no way to the host by IPv6, and a client that tries it first would wait for nothing.
pub(super) fn ipv6_is_not_promised(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let look_up = |kind: &str| {
        coracle
            .docker(["run", "--rm", image, "nslookup"])
            .args([&format!("-type={kind}"), "host.docker.internal"])
            .run()
    };
    let answers = |text: &str| text.matches("Name:").count();
    let four = look_up("a")?.ok()?.all();
    ensure!(answers(&four) == 1, "{four}");
    let six = look_up("aaaa")?.all();
    ensure!(answers(&six) == 0 && !six.contains("NXDOMAIN"), "{six}");
    Ok(())
}
