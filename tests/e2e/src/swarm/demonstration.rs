use std::time::Duration;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, patience};

use super::page::{Swarm, free_port, page, round};

/// What a service promises, seen from the host: one replica on a published port, scaled to six of
/// which each answers in turn, an update two at a time while the page is up, and the way back.
pub(super) fn scale_update_and_rollback_are_seen_on_the_page(coracle: &Coracle) -> Result<()> {
    let swarm = Swarm::up(coracle)?;
    let port = free_port()?;
    swarm.pages("web", &["--publish", &format!("{port}:80")])?;
    let only = round(port, 1)?;
    ensure!(page(port)? == only[0], "another one answered");

    coracle.docker(["service", "scale", "web=6"]).ok()?;
    let six = round(port, 6)?;
    for expected in six.iter().cycle().take(12) {
        ensure!(
            page(port)? == *expected,
            "it is not the turn of {expected:?}"
        );
    }

    let order = ["--update-parallelism", "2", "--update-delay", "3s"];
    swarm
        .service("update", &order)
        .args(["--detach", "--env-add", "VERSION=2", "web"])
        .ok()?;
    let seen = watch(&swarm, port, "completed")?;
    ensure!(seen.both, "the page never showed old and new side by side");
    ensure!(seen.fewest >= 4, "only {} of six replicas ran", seen.fewest);
    let new = round(port, 6)?;
    ensure!(new.iter().all(|page| page.version == "2"), "{new:?}");

    swarm.service("rollback", &["--detach", "web"]).ok()?;
    watch(&swarm, port, "rollback_completed")?;
    let back = round(port, 6)?;
    ensure!(back.iter().all(|page| page.version == "1"), "{back:?}");
    ensure!(
        back.iter().all(|page| !six.contains(page)),
        "replicas were kept"
    );
    Ok(())
}

struct Seen {
    /// Whether six requests in a row were answered by both versions.
    both: bool,
    /// The fewest replicas that ran at a moment.
    fewest: u32,
}

/// Looks at the page until the update is in that state.
fn watch(swarm: &Swarm<'_>, port: u16, end: &str) -> Result<Seen> {
    let begin = std::time::Instant::now();
    let mut seen = Seen {
        both: false,
        fewest: u32::MAX,
    };
    loop {
        let state = swarm.inspect("web", "{{.UpdateStatus.State}}")?;
        if state == end {
            return Ok(seen);
        }
        ensure!(begin.elapsed() < patience(), "the update stays {state}");
        ensure!(!state.contains("paused"), "the update is {state}");
        // One that is just being stopped may have been given the request.
        let pages: Vec<_> = (0..6).filter_map(|_| page(port).ok()).collect();
        let has = |version: &str| pages.iter().any(|page| page.version == version);
        seen.both |= has("1") && has("2");
        let replicas = swarm.replicas("web")?;
        if let Some(running) = replicas
            .split('/')
            .next()
            .and_then(|count| count.parse().ok())
        {
            seen.fewest = seen.fewest.min(running);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
