//! `file-read` and `file-stat`: many small files of a shared folder beside the guest's own disk.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use coracle_vm_harness::Coracle;

use super::Bench;
use super::figure::{Better, Figure, Quantity, in_turn};
use super::stage::{CPUS, MEMORY_MIB, Stage};
use crate::samples;

pub(super) const READ: Bench = Bench {
    name: "file-read",
    about: "Small files (2 KiB, a hundred in a folder) that a program in a container reads in a \
            second: in a bind mount of the host beside a volume on the guest's own disk. All were \
            read before, more than a second ago, as between two runs of a build.",
    run: |stage| run(stage, "file-read", "read"),
};

pub(super) const STAT: Bench = Bench {
    name: "file-stat",
    about: "The same files, asked for their attributes, as by what looks for changes.",
    run: |stage| run(stage, "file-stat", "stat"),
};

/// Python on Debian.
pub(super) const IMAGE: &str = "coracle-sample/vote";

/// Where containers have the tool.
pub(super) const TOOL: &str = "/tool/files.py";

const FILES: &str = "2000";

/// What a share should reach of the disk's rate.
const GOAL: f64 = 0.5;

fn run(stage: &Stage, bench: &'static str, verb: &str) -> Result<Vec<Figure>> {
    let coracle = started(stage, &[])?;
    let folder = coracle.work("small-files")?;
    let id = container(&coracle, &format!("{}:/shared", folder.display()))?;
    let python = |verb: &str, arguments: &[&str]| {
        let run = ["exec", &id, "python3", "-u", TOOL, verb];
        coracle.docker(run).args(arguments).text()
    };
    for place in ["/shared", "/disk"] {
        python("fill", &[place, FILES])?;
        python(verb, &[place])?;
    }
    let rate = |place: &str| -> Result<f64> {
        python(verb, &[place])?
            .parse()
            .context("the tool gave no number")
    };
    let samples = in_turn(
        stage.runs,
        &mut [
            ("ours", Box::new(|| rate("/shared"))),
            ("disk", Box::new(|| rate("/disk"))),
        ],
    )?;
    let [ours, peer] = <[_; 2]>::try_from(samples).expect("two sides");
    Ok(vec![Figure {
        quantity: Quantity {
            bench,
            variant: "",
            unit: "files/s",
            better: Better::Higher,
        },
        ours,
        peer,
        peer_name: "disk",
        peer_commands: format!("docker exec CONTAINER python3 files.py {verb} /disk"),
        goal: GOAL,
    }])
}

/// The tool on the host.
pub(super) fn tool(coracle: &Coracle) -> PathBuf {
    coracle.home().join("tool/files.py")
}

/// A Coracle of its own that runs, with image and tool, that tells nobody of edits in `ignored`, patterns
/// below its home, and whose daemon's log has what becomes of the others.
pub(super) fn started(stage: &Stage, ignored: &[&str]) -> Result<Coracle> {
    samples::run(&samples::Options::default())?;
    let coracle = stage.unstarted()?;
    let folder = coracle.home().join("tool");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("files.py"), include_str!("files.py"))?;
    let logs = "info,coracle_file_events=debug";
    if !ignored.is_empty() {
        coracle
            .coracle(["config", "set", "files.ignored"])
            .args(ignored)
            .env("CORACLE_LOG", logs)
            .ok()?;
    }
    coracle
        .coracle(["start", "--no-context"])
        .args(["--memory", &MEMORY_MIB.to_string()])
        .args(["--cpus", &CPUS.to_string()])
        .env("CORACLE_LOG", logs)
        .ok()
        .with_context(|| coracle.logs(40))?;
    coracle.load("voting-app.tar", IMAGE)?;
    Ok(coracle)
}

/// One that waits, with this mount, a volume at /disk and the tool; its id.
pub(super) fn container(coracle: &Coracle, mount: &str) -> Result<String> {
    let tool = format!("{}:/tool:ro", tool(coracle).with_file_name("").display());
    let run = ["--init", "--user=0:0", "--volume", mount, "--volume=/disk"];
    let wait = ["--volume", &tool, IMAGE, "sleep", "100000"];
    coracle.background(run.into_iter().chain(wait))
}
