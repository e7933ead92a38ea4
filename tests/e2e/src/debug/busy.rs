use std::process::Command;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually};

use super::session::{Busy, Session, converse, packet};
use crate::suite::{contains, times};

/// With a breakpoint that every thread hits all the time; each time it ends otherwise.
pub(super) fn attached_and_detached_again_and_again(coracle: &Coracle) -> Result<()> {
    let busy = Busy::in_busybox(coracle, "busy")?;
    let session = Session::begin(coracle, &busy.name)?;
    ensure!(session.runtime() == "native", "{:?}", session.0);
    let at = address_of_step(coracle)?;
    for cycle in 0..times(20, 500) {
        // The stub of the cycle before may be about to let go.
        let mut client = eventually("the process is attached to", || {
            let mut client = session.connect()?;
            let told = converse(&mut client, &packet("?"))?;
            ensure!(told.contains("$T05"), "it said {told:?}");
            Ok(client)
        })?;
        let set = converse(&mut client, &packet(&format!("Z0,{at:x},1")))?;
        ensure!(set.contains("$OK"), "it said {set:?}");
        match cycle % 4 {
            // Gone while all of them run and hit it.
            0 => std::io::Write::write_all(&mut client, &packet("vCont;c"))?,
            // Gone at a stop.
            1 => drop(converse(&mut client, &packet("vCont;c"))?),
            2 => {
                converse(&mut client, &packet("vCont;c"))?;
                converse(&mut client, &packet("D"))?;
            }
            _ => {}
        }
        drop(client);
        busy.goes_on()?;
    }
    let commands = [
        "info threads",
        "break step",
        "continue",
        "backtrace",
        "delete",
        "print sizeof($ymm0)",
        "watch watched",
        "continue",
    ];
    let said = session.gdb(coracle, &commands)?.ok()?.all();
    let parts = [
        "worker-b",
        "hit Breakpoint 1",
        "busy.c:",
        "in work (",
        "= 32",
        "Hardware watchpoint 2: watched",
        "Old value =",
    ];
    contains(&said, &parts)?;
    busy.goes_on()
}

/// The program is linked statically, at a fixed place.
fn address_of_step(coracle: &Coracle) -> Result<u64> {
    let program = coracle.home().join("work/busy/busy");
    let symbols = Command::new("nm").arg(program).output()?.stdout;
    let symbols = String::from_utf8(symbols)?;
    let line = symbols.lines().find(|line| line.ends_with(" T step"));
    let address = line.and_then(|line| line.split(' ').next());
    Ok(u64::from_str_radix(address.context("no function")?, 16)?)
}
