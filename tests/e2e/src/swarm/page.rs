use anyhow::{Context, Result, bail, ensure};
use coracle_vm_harness::{Coracle, Program, eventually, http};

use crate::images;

/// A page per request: the replica's host name and the version that it was given.
const SERVER: &str = "mkdir -p /www/cgi-bin && \
    printf '#!/bin/sh\\necho Content-Type: text/plain\\necho\\necho $(hostname) $VERSION\\n' \
        >/www/cgi-bin/page && \
    chmod +x /www/cgi-bin/page && echo serving version $VERSION && \
    exec httpd -f -p 80 -h /www";

/// A swarm without services; dropped, it has none again.
pub(super) struct Swarm<'a> {
    pub(super) coracle: &'a Coracle,
}

/// What a replica answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Page {
    pub(super) replica: String,
    pub(super) version: String,
}

impl<'a> Swarm<'a> {
    pub(super) fn up(coracle: &'a Coracle) -> Result<Self> {
        images::busybox(coracle)?;
        let state = coracle
            .docker(["info", "--format", "{{.Swarm.LocalNodeState}}"])
            .text()?;
        if state != "active" {
            coracle.docker(["swarm", "init"]).ok()?;
        }
        let swarm = Self { coracle };
        swarm.clear()?;
        Ok(swarm)
    }

    /// `docker service …`, without asking a registry for what is here.
    pub(super) fn service(&self, verb: &str, options: &[&str]) -> Program {
        let local: &[&str] = match verb {
            "create" | "update" => &["--quiet", "--no-resolve-image"],
            _ => &[],
        };
        self.coracle
            .docker(["service", verb])
            .args(local)
            .args(options)
    }

    /// A service of pages, version 1, once all its replicas run.
    pub(super) fn pages(&self, name: &str, options: &[&str]) -> Result<()> {
        // The server is process 1 and would not end otherwise.
        let own = [
            "--name",
            name,
            "--stop-signal",
            "KILL",
            "--env",
            "VERSION=1",
        ];
        self.service("create", &own)
            .args(options)
            .args([images::BUSYBOX, "sh", "-c", SERVER])
            .ok()?;
        Ok(())
    }

    /// A service's replicas as `docker service ls` counts them, as `2/6`.
    pub(super) fn replicas(&self, name: &str) -> Result<String> {
        let filter = format!("name={name}");
        self.service("ls", &["--filter", &filter, "--format", "{{.Replicas}}"])
            .text()
    }

    /// One thing that docker tells of a service.
    pub(super) fn inspect(&self, name: &str, format: &str) -> Result<String> {
        self.service("inspect", &["--format", format, name]).text()
    }

    fn clear(&self) -> Result<()> {
        for kind in ["service", "secret", "config"] {
            let ids = self.coracle.docker([kind, "ls", "--quiet"]).text()?;
            if !ids.is_empty() {
                self.coracle.docker([kind, "rm"]).args(ids.lines()).ok()?;
            }
        }
        Ok(())
    }
}

impl Drop for Swarm<'_> {
    fn drop(&mut self) {
        // The test may have ended the swarm itself.
        let _ = self.clear();
    }
}

/// Has one page.
pub(super) fn page(port: u16) -> Result<Page> {
    let answer = http::get(&format!("127.0.0.1:{port}"), "/cgi-bin/page")?;
    ensure!(answer.status == 200, "{answer:?}");
    let text = answer.text();
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [replica, version] => Ok(Page {
            replica: replica.into(),
            version: version.into(),
        }),
        _ => bail!("the page is {text:?}"),
    }
}

/// Has pages one after another until each of `count` requests in a row was answered by another
/// replica; these pages.
pub(super) fn round(port: u16, count: usize) -> Result<Vec<Page>> {
    eventually("an answer of every replica in turn", || {
        let pages = (0..count).map(|_| page(port)).collect::<Result<Vec<_>>>()?;
        let mut names: Vec<_> = pages.iter().map(|page| &page.replica).collect();
        names.sort();
        names.dedup();
        ensure!(names.len() == count, "{pages:?}");
        Ok(pages)
    })
}

/// Waits until nobody listens any more.
pub(super) fn closed(port: u16) -> Result<()> {
    eventually("a closed port", || {
        let open = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        ensure!(!open, "port {port} is open");
        Ok(())
    })
}

/// The entry of a TCP port on all IPv4 addresses in the status.
pub(super) fn listed(coracle: &Coracle, port: u16) -> Result<serde_json::Value> {
    let status = coracle.status()?;
    let ports = status["ports"].as_array().context("no ports")?;
    let host = format!("0.0.0.0:{port}");
    let entry = ports.iter().find(|entry| entry["host"] == host.as_str());
    entry
        .cloned()
        .with_context(|| format!("{host} is not in {ports:?}"))
}

/// A port that nobody has now.
pub(super) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("0.0.0.0:0")?
        .local_addr()?
        .port())
}
