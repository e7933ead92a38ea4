use std::time::Duration;

use anyhow::{Result, bail, ensure};
use coracle_vm_harness::{Coracle, Terminal};

use crate::images;

pub(super) fn version_and_info(coracle: &Coracle) -> Result<()> {
    let version = coracle
        .docker(["version", "--format", "{{.Server.Os}} {{.Server.Version}}"])
        .text()?;
    ensure!(version.starts_with("linux "), "version is {version}");
    let info = coracle
        .docker([
            "info",
            "--format",
            "{{.OSType}} {{.Driver}} {{.DockerRootDir}}",
        ])
        .text()?;
    ensure!(info == "linux overlay2 /var/lib/docker", "info is {info}");
    let status = coracle.status()?;
    let engine = status["versions"]["engine"].as_str().unwrap_or_default();
    ensure!(
        version.ends_with(engine) && !engine.is_empty(),
        "{version}, but status has {engine}"
    );
    // What the host lacks is no defect of ours.
    let of_the_host = ["software emulation", "open files"];
    let degraded = status["degraded"].as_array().into_iter().flatten();
    let ours: Vec<_> = degraded
        .filter_map(|reason| reason.as_str())
        .filter(|reason| !of_the_host.iter().any(|known| reason.contains(known)))
        .collect();
    ensure!(ours.is_empty(), "degraded: {ours:?}");
    Ok(())
}

pub(super) fn context_leads_to_the_engine(coracle: &Coracle) -> Result<()> {
    let through = coracle
        .docker(["--context", "coracle", "info", "--format", "{{.ID}}"])
        .env_remove("DOCKER_HOST")
        .text()?;
    let direct = coracle.docker(["info", "--format", "{{.ID}}"]).text()?;
    ensure!(through == direct, "{through} is not {direct}");
    Ok(())
}

pub(super) fn run_gives_output_and_exit_code(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let script = "echo to-out; echo to-err >&2; exit 7";
    let outcome = coracle
        .docker(["run", "--rm", image, "sh", "-c", script])
        .run()?;
    ensure!(
        outcome.status.code() == Some(7),
        "{}\n{}",
        outcome.status,
        outcome.all()
    );
    ensure!(
        outcome.stdout == b"to-out\n" && outcome.stderr == b"to-err\n",
        "{outcome:?}"
    );
    let left = coracle.docker(["ps", "--all", "--quiet"]).text()?;
    ensure!(left.is_empty(), "--rm left {left}");
    Ok(())
}

pub(super) fn run_in_a_terminal(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let run = coracle.docker(["run", "--rm", "-it", image, "sh"]);
    let mut terminal = Terminal::start(run, 30, 90)?;
    terminal.expect("# ")?;
    // Split, so that the echo of what is typed is not taken for the answer.
    terminal.write("tty && echo ter''minal && stty size\n")?;
    terminal.expect("/dev/pts/0")?;
    terminal.expect("terminal")?;
    terminal.expect("30 90")?;
    terminal.write("sh -c 'echo sle''eping; exec sleep 1000'\n")?;
    terminal.expect("sleeping")?;
    terminal.write("\u{3}")?;
    terminal.write("echo inter''rupted; exit 3\n")?;
    terminal.expect("interrupted")?;
    let status = terminal.wait()?;
    ensure!(status.code() == Some(3), "{status}");
    let left = coracle.docker(["ps", "--all", "--quiet"]).text()?;
    ensure!(left.is_empty(), "--rm left {left}");
    Ok(())
}

pub(super) fn terminal_takes_the_size_of_its_window(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let script = "while stty size; do sleep 0.2; done";
    let run = coracle.docker(["run", "--rm", "-it", image, "sh", "-c", script]);
    let mut terminal = Terminal::start(run, 30, 90)?;
    terminal.expect("30 90")?;
    // The docker CLI misses a change while it hands over the first size, as it does with
    // any engine: go on changing until it sees one.
    for columns in 101..130 {
        terminal.resize(33, columns)?;
        if terminal.shows(&format!("33 {columns}"), Duration::from_secs(5))? {
            return Ok(());
        }
    }
    bail!("the container's terminal kept its size")
}
