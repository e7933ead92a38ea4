use std::fs;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Live};

use super::session::{Busy, Session, converse, packet};
use crate::images;
use crate::suite::contains;

pub(super) fn process_that_ends_is_told(coracle: &Coracle) -> Result<()> {
    let busy = Busy::in_busybox(coracle, "ending")?;
    let session = Session::begin(coracle, &busy.name)?;
    let mut gdb = Live::start(session.gdb(coracle, &["echo attached\\n", "continue"])?)?;
    gdb.line(|line| line.contains("attached"))?;
    coracle.docker(["kill", &busy.name]).ok()?;
    gdb.line(|line| line.contains("terminated with signal SIGKILL"))?;
    gdb.wait()?;
    // Now it is gone, and a client that comes meanwhile is told so.
    let told = converse(&mut session.connect()?, &packet("qSupported"))?;
    contains(&told, &["$E.", "has ended"])?;
    let said = coracle.coracle(["debug", &busy.name]).refused()?;
    contains(&said, &["does not run", "docker start ending"])?;

    // Processes that come and go while they are attached to.
    let image = images::busybox(coracle)?;
    let script = "while true; do sleep 0.05; done";
    coracle.background(["--name", "brief", image, "sh", "-c", script])?;
    for _ in 0..3 {
        let list = coracle.docker(["exec", "brief", "ps"]).text()?;
        let sleep = list.lines().find(|line| line.contains("sleep 0.05"));
        let Some(pid) = sleep.and_then(|line| line.split_whitespace().next()) else {
            continue;
        };
        let outcome = coracle.coracle(["debug", "brief", "--pid", pid]).run()?;
        if !outcome.status.success() {
            contains(
                &outcome.all(),
                &["the container has no process", "1 (busybox)"],
            )?;
        }
    }
    Ok(())
}

pub(super) fn stripped_binary(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    coracle.background(["--name", "stripped", image, "sleep", "1000"])?;
    let said = coracle.coracle(["debug", "stripped"]).ok()?.all();
    contains(&said, &["stripped", "build it with -g"])?;
    let session = Session::begin(coracle, "stripped")?;
    let said = session
        .gdb(coracle, &["info registers rip", "x/i $pc"])?
        .ok()?
        .all();
    contains(&said, &["rip", "=> 0x"])
}

pub(super) fn second_client_of_the_same_process(coracle: &Coracle) -> Result<()> {
    let busy = Busy::in_busybox(coracle, "twice")?;
    let session = Session::begin(coracle, &busy.name)?;
    let mut first = session.connect()?;
    ensure!(
        converse(&mut first, &packet("?"))?.contains("$T05"),
        "no stop"
    );
    let said = session.gdb(coracle, &["info threads"])?.run()?.all();
    contains(&said, &["is being traced already", "end that first"])?;
    drop(first);
    busy.goes_on()
}

pub(super) fn garbage_on_the_port(coracle: &Coracle) -> Result<()> {
    let busy = Busy::in_busybox(coracle, "garbage")?;
    let session = Session::begin(coracle, &busy.name)?;
    let told = converse(&mut session.connect()?, b"GET / HTTP/1.1\r\n\r\n")?;
    contains(&told, &["debug port of Coracle", "target remote"])?;
    let noise = [b"+$".to_vec(), images::noise(100_000)].concat();
    let mut client = session.connect()?;
    // It may be cut off in the middle.
    let _ = std::io::Write::write_all(&mut client, &noise);
    drop(client);
    busy.goes_on()?;
    let said = session.gdb(coracle, &["info threads"])?.ok()?.all();
    contains(&said, &["worker-a"])?;
    busy.goes_on()
}

pub(super) fn container_without_shell_and_with_read_only_root(coracle: &Coracle) -> Result<()> {
    // An image with one empty folder.
    let folder = coracle.work("no-shell")?;
    let archive = folder.join("image.tar");
    let mut tar = tar::Builder::new(fs::File::create(&archive)?);
    fs::create_dir(folder.join("work"))?;
    tar.append_dir("work", folder.join("work"))?;
    tar.finish()?;
    let image = "coracle-test/no-shell";
    coracle.docker(["import"]).arg(&archive).arg(image).ok()?;
    let busy = Busy::run(
        coracle,
        "read-only",
        &["--read-only", "--cap-drop=ALL"],
        image,
    )?;
    let session = Session::begin(coracle, &busy.name)?;
    let said = session
        .gdb(coracle, &["break step", "continue", "print name[0]"])?
        .ok()?
        .all();
    contains(&said, &["hit Breakpoint 1", "= 119 'w'"])?;
    busy.goes_on()
}

pub(super) fn what_is_not_there(coracle: &Coracle) -> Result<()> {
    let said = coracle.coracle(["debug", "nobody"]).refused()?;
    contains(&said, &["no container and no service nobody", "docker ps"])?;
    let said = coracle.coracle(["debug", "a/../b"]).refused()?;
    contains(&said, &["is no name of a container"])?;
    let said = coracle.coracle(["debug", "stop", "nobody"]).refused()?;
    contains(&said, &["coracle debug list"])
}
