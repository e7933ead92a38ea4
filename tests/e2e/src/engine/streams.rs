use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Live, Terminal};

use crate::images;

pub(super) fn input_reaches_a_container(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let text = coracle
        .docker(["run", "--rm", "-i", image, "cat"])
        .stdin("x\n")
        .ok()?
        .text();
    ensure!(text == "x\n", "{text:?} came back");
    Ok(())
}

pub(super) fn ten_megabytes_come_back_after_the_end_of_input(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let bytes = images::noise(10 << 20);
    // Holds everything back until the end of its input.
    let hold = "cat >/all && cat /all";
    let back = coracle
        .docker(["run", "--rm", "-i", image, "sh", "-c", hold])
        .stdin(bytes.clone())
        .ok()?;
    ensure!(
        back.stdout == bytes,
        "{} bytes came back, not the same",
        back.stdout.len()
    );
    let back = coracle
        .docker(["run", "--rm", "-i", image, "cat"])
        .stdin(bytes.clone())
        .ok()?;
    ensure!(
        back.stdout == bytes,
        "{} bytes came back, not the same",
        back.stdout.len()
    );
    Ok(())
}

pub(super) fn exec(coracle: &Coracle) -> Result<()> {
    let id = coracle.background([images::busybox(coracle)?, "sleep", "1000"])?;
    let outcome = coracle
        .docker([
            "exec",
            "-e",
            "WORD=heard",
            "-w",
            "/tmp",
            &id,
            "sh",
            "-c",
            "echo $WORD $PWD; exit 5",
        ])
        .run()?;
    ensure!(
        outcome.status.code() == Some(5) && outcome.stdout == b"heard /tmp\n",
        "{outcome:?}"
    );
    let counted = coracle
        .docker(["exec", "-i", &id, "wc", "-c"])
        .stdin(vec![7; 1 << 20])
        .text()?;
    ensure!(counted == "1048576", "{counted} bytes arrived");
    Ok(())
}

pub(super) fn exec_in_a_terminal(coracle: &Coracle) -> Result<()> {
    let id = coracle.background([images::busybox(coracle)?, "sleep", "1000"])?;
    let mut terminal = Terminal::start(coracle.docker(["exec", "-it", &id, "sh"]), 24, 80)?;
    terminal.expect("# ")?;
    terminal.write("stty size; exit 4\n")?;
    terminal.expect("24 80")?;
    let status = terminal.wait()?;
    ensure!(status.code() == Some(4), "{status}");
    Ok(())
}

pub(super) fn attach(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let script = "while read line; do echo heard $line; done; echo bye";
    // Made without `--detach`, which would keep its input open when ours ends.
    let id = coracle
        .docker(["create", "-i", image, "sh", "-c", script])
        .text()?;
    coracle.docker(["start", &id]).ok()?;
    let mut attached = Live::start(coracle.docker(["attach", &id]))?;
    attached.write(b"one\n")?;
    attached.line(|line| line == "heard one")?;
    let mut second = Live::start(coracle.docker(["attach", "--no-stdin", &id]))?;
    // The second one has nothing to tell us when it is there, so speak until it hears.
    let mut spoken = 0;
    coracle_vm_harness::eventually("a second attach", || {
        spoken += 1;
        attached.write(format!("again {spoken}\n").as_bytes())?;
        second.line_now(|line| line.starts_with("heard again"))
    })?;
    attached.close_input();
    attached.line(|line| line == "bye")?;
    second.line(|line| line == "bye")?;
    let status = attached.wait()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

pub(super) fn copy_file_and_folder_both_ways(coracle: &Coracle) -> Result<()> {
    let id = coracle.background([images::busybox(coracle)?, "sleep", "1000"])?;
    let work = coracle.work("copy")?;
    let bytes = images::noise(3 << 20);
    fs::create_dir_all(work.join("tree/deep/deeper"))?;
    fs::write(work.join("tree/deep/deeper/data"), &bytes)?;
    fs::write(work.join("tree/run"), "#!/bin/sh\necho ran\n")?;
    fs::set_permissions(work.join("tree/run"), fs::Permissions::from_mode(0o755))?;
    std::os::unix::fs::symlink("run", work.join("tree/link"))?;
    let inside = format!("{id}:/inside");
    coracle
        .docker(["cp", "--quiet"])
        .args([work.join("tree"), inside.clone().into()])
        .ok()?;
    let said = coracle.docker(["exec", &id, "/inside/link"]).text()?;
    ensure!(said == "ran", "the copied script said {said}");
    coracle
        .docker(["cp", "--quiet", &inside])
        .arg(work.join("back"))
        .ok()?;
    ensure!(
        fs::read(work.join("back/deep/deeper/data"))? == bytes,
        "the data changed"
    );
    ensure!(
        fs::read_link(work.join("back/link"))?.as_os_str() == "run",
        "the link changed"
    );
    let mode = fs::metadata(work.join("back/run"))?.permissions().mode() & 0o777;
    ensure!(mode == 0o755, "the mode became {mode:o}");
    let file = format!("{id}:/one");
    coracle
        .docker(["cp", "--quiet"])
        .args([work.join("tree/deep/deeper/data"), file.clone().into()])
        .ok()?;
    coracle
        .docker(["cp", "--quiet", &file])
        .arg(work.join("one"))
        .ok()?;
    ensure!(fs::read(work.join("one"))? == bytes, "the file changed");
    Ok(())
}

pub(super) fn logs_follow(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let script = "echo first; while [ ! -e /go ]; do sleep 0.2; done; echo second; sleep 1000";
    let id = coracle.background([image, "sh", "-c", script])?;
    let mut logs = Live::start(coracle.docker(["logs", "--follow", &id]))?;
    logs.line(|line| line == "first")?;
    coracle.docker(["exec", &id, "touch", "/go"]).ok()?;
    logs.line(|line| line == "second")?;
    let state = coracle
        .docker(["inspect", "--format", "{{.State.Status}}", &id])
        .text()?;
    ensure!(
        state == "running" && logs.is_running()?,
        "the container is {state}"
    );
    coracle.docker(["kill", &id]).ok()?;
    logs.wait()?;
    Ok(())
}

pub(super) fn events_come_live(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let follow = [
        "events",
        "--filter",
        "type=container",
        "--format",
        "{{.Action}} {{.Actor.ID}}",
    ];
    let mut events = Live::start(coracle.docker(follow))?;
    let id = coracle.background([image, "sleep", "1000"])?;
    // The stream may open after the start; `start` then shows with the second run.
    let again = ["restart", "--time", "0", &id];
    coracle.docker(again).ok()?;
    events.line(|line| line == format!("die {id}"))?;
    events.line(|line| line == format!("start {id}"))?;
    ensure!(events.is_running()?, "`docker events` ended");
    coracle.docker(["kill", &id]).ok()?;
    events.line(|line| line == format!("die {id}"))?;
    Ok(())
}

pub(super) fn stats_once_and_live(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let id = coracle.background([image, "sh", "-c", "while true; do :; done"])?;
    let format = "{{.ID}} {{.MemUsage}} {{.PIDs}}";
    let once = coracle
        .docker([
            "stats",
            "--no-stream",
            "--no-trunc",
            "--format",
            format,
            &id,
        ])
        .text()?;
    ensure!(
        once.starts_with(&id) && once.ends_with('1') && !once.contains("0B /"),
        "{once}"
    );
    let mut live = Live::start(coracle.docker([
        "stats",
        "--no-trunc",
        "--format",
        "{{.ID}} {{.CPUPerc}}",
        &id,
    ]))?;
    // The first one is often a row of dashes; two that count show a stream.
    for _ in 0..2 {
        live.line(|line| line.contains(&id) && line.ends_with('%') && !line.ends_with(" 0.00%"))?;
    }
    Ok(())
}
