//! The address on which ports are published that name none.

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

use super::binding::echoes;
use super::peer::{Peer, connect, free_port};
use crate::images;
use crate::suite::contains;

const KEY: &str = "ports.address";
const SERVICE: &str = "default-address";
const EXPOSING: &str = "coracle.test/exposing:1";

/// The setting while it is another one, and a swarm; dropped, both are as before.
struct Chosen<'a>(&'a Coracle);

impl<'a> Chosen<'a> {
    fn set(coracle: &'a Coracle, address: &str) -> Result<Self> {
        let chosen = Self(coracle);
        chosen.0.coracle(["config", "set", KEY, address]).ok()?;
        Ok(chosen)
    }
}

impl Drop for Chosen<'_> {
    fn drop(&mut self) {
        // A test that failed has not made everything that is removed here.
        let _ = self.0.coracle(["config", "set", KEY, "null"]).run();
        let _ = self.0.docker(["swarm", "leave", "--force"]).run();
        let _ = self.0.docker(["image", "rm", "--force", EXPOSING]).run();
    }
}

/// Where the host listens for this port.
fn hosts(coracle: &Coracle, port: u16) -> Result<Vec<String>> {
    let end = format!(":{port}");
    let all = process::listeners(coracle.daemon()?)?;
    let own = all.iter().filter_map(|address| address.strip_suffix(&end));
    Ok(own.map(str::to_owned).collect())
}

fn are(coracle: &Coracle, port: u16, wanted: &[&str]) -> Result<()> {
    let hosts = hosts(coracle, port)?;
    ensure!(
        hosts == wanted,
        "port {port} is on {hosts:?}, not {wanted:?}"
    );
    Ok(())
}

pub(super) fn containers_without_an_address_get_the_chosen_one(coracle: &Coracle) -> Result<()> {
    let before = free_port()?;
    let _older = Peer::start(coracle, &["--publish", &format!("{before}:5001")])?;
    let chosen = Chosen::set(coracle, "127.0.0.1")?;

    let (plain, wide, v6) = (free_port()?, free_port()?, free_port()?);
    let publish = [
        format!("{plain}:5001"),
        format!("0.0.0.0:{wide}:5001"),
        format!("[::1]:{v6}:5001"),
    ];
    let options = publish.each_ref().map(|one| ["--publish", one]).concat();
    let peer = Peer::start(coracle, &options)?;
    are(coracle, plain, &["127.0.0.1"])?;
    are(coracle, wide, &["0.0.0.0"])?;
    are(coracle, v6, &["[::1]"])?;
    echoes(&format!("127.0.0.1:{plain}"))?;
    ensure!(
        connect(&format!("127.0.0.2:{plain}")).is_err(),
        "127.0.0.2 answers too"
    );
    are(coracle, before, &["0.0.0.0", "[::]"])?;

    // What an image exposes, too.
    let change = ["commit", "--change", "EXPOSE 5005"];
    coracle.docker(change).args([&peer.id, EXPOSING]).ok()?;
    let options = ["--publish-all", "--expose", "5001"];
    let run = [&options[..], &[EXPOSING, "sleep", "1000"]].concat();
    let all = coracle.background(run)?;
    let published = coracle.docker(["port", &all]).text()?;
    ensure!(
        published.lines().all(|line| line.contains("-> 127.0.0.1:")),
        "{published}"
    );
    contains(&published, &["5001/tcp", "5005/tcp"])?;
    drop(chosen);

    let again = free_port()?;
    let _later = Peer::start(coracle, &["--publish", &format!("{again}:5001")])?;
    are(coracle, again, &["0.0.0.0", "[::]"])
}

pub(super) fn services_follow_the_chosen_address(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    coracle.docker(["swarm", "init"]).ok()?;
    let (ingress, host) = (free_port()?, free_port()?);
    let chosen = Chosen::set(coracle, "127.0.0.1")?;
    coracle
        .docker(["service", "create", "--quiet", "--no-resolve-image"])
        .args(["--name", SERVICE, "--stop-signal", "KILL"])
        .args(["--publish", &format!("{ingress}:80")])
        .args([
            "--publish",
            &format!("mode=host,published={host},target=80"),
        ])
        .args([image, "httpd", "-f", "-p", "80", "-h", "/"])
        .ok()?;
    let both = |wanted: &[&str]| {
        eventually("the ports on their address", || {
            are(coracle, ingress, wanted)?;
            are(coracle, host, wanted)
        })
    };
    both(&["127.0.0.1"])?;
    for port in [ingress, host] {
        let answer = coracle_vm_harness::http::get(&format!("127.0.0.1:{port}"), "/etc/passwd")?;
        ensure!(answer.status == 200, "{answer:?}");
    }
    // A service has no address of its own to keep.
    coracle.coracle(["config", "set", KEY, "null"]).ok()?;
    both(&["0.0.0.0", "[::]"])?;
    coracle.coracle(["config", "set", KEY, "::1"]).ok()?;
    both(&["[::1]"])?;
    drop(chosen);
    both(&[])
}
