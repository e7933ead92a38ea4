//! A laptop that is closed in one network and opened in another.

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, http};

use super::cycle::{boot_id, is_suspended, resume_with, suspend};
use super::host::{Host, NAME, Network};
use crate::images;
use crate::names::server;
use crate::skips::Skip;

/// Two documentation networks of RFC 5737.
const OFFICE: Network = Network {
    prefix: "192.0.2",
    words: "words of the office",
};
const CAFE: Network = Network {
    prefix: "198.51.100",
    words: "words of the café",
};

pub(super) fn goes_on_in_another_network(coracle: &Coracle) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Skip("only root can make a host with a network of its own".into()).into());
    }
    let boot = boot_id(coracle)?;
    let image = images::busybox(coracle)?;
    let serve = "echo here >/tmp/index.html && exec httpd -f -p 80 -h /tmp";
    let page = ["--name", "page", "--publish", "80", image];
    coracle.background(page.into_iter().chain(["sh", "-c", serve]))?;
    coracle.coracle(["stop", "--quit"]).ok()?;
    let host = Host::new(coracle)?;
    let moved = moves(coracle, &host);
    // The daemon of that host goes, whatever happened there.
    let stopped = coracle.coracle(["stop", "--quit"]).ok();
    moved?;
    stopped?;
    resume_with(coracle, coracle.coracle(["start"]))?;
    ensure!(boot_id(coracle)? == boot, "the guest was booted anew");
    coracle.docker(["exec", "page", "true"]).ok().map(drop)
}

fn moves(coracle: &Coracle, host: &Host) -> Result<()> {
    host.join(&OFFICE)?;
    resume_with(coracle, host.coracle().arg("start"))?;
    works(coracle, host, &OFFICE)?;
    let (port, heard) = host.within(|| server::listener(&OFFICE.address(80)))?;
    let talk = format!(
        "(while echo word; do sleep 0.2; done) | nc {} {port}; echo over",
        OFFICE.address(80)
    );
    let image = images::BUSYBOX;
    coracle.background(["--name", "talker", image, "sh", "-c", &talk])?;
    heard.recv().context("nobody connected")?;

    suspend(coracle)?;
    host.join(&CAFE)?;
    resume_with(coracle, host.coracle().arg("start"))?;
    works(coracle, host, &CAFE)?;
    // What spoke with the network that is gone is told so, instead of waiting.
    coracle.await_log("talker", "over")?;

    // And with no network at all what is on this machine goes on.
    suspend(coracle)?;
    host.leave()?;
    resume_with(coracle, host.coracle().arg("start"))?;
    let text = host.within(|| page(coracle, "127.0.0.1"))?;
    ensure!(text == "here\n", "{text:?}");
    suspend(coracle)?;
    is_suspended(coracle)
}

/// Names, servers of the network and published ports are those of this network, at once.
fn works(coracle: &Coracle, host: &Host, network: &Network) -> Result<()> {
    let port = host.within(|| server::start(&network.address(80), network.words))?;
    let url = format!("http://{NAME}:{port}/");
    let fetch = ["exec", "page", "wget", "-q", "-O", "-", &url];
    let text = coracle.docker(fetch).text()?;
    ensure!(text == network.words, "{text:?} came from {url}");
    let text = host.within(|| page(coracle, &network.address(10)))?;
    ensure!(text == "here\n", "{text:?}");
    Ok(())
}

/// The page as the host's own programs see it.
fn page(coracle: &Coracle, address: &str) -> Result<String> {
    let published = coracle.docker(["port", "page", "80/tcp"]).text()?;
    let port = published
        .lines()
        .find_map(|line| line.strip_prefix("0.0.0.0:"))
        .with_context(|| format!("published at {published}"))?;
    eventually("the published page", || {
        Ok(http::get(&format!("{address}:{port}"), "/")?.text())
    })
}
