//! gdb, attached for longer than the VM is awake.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use coracle_vm_harness::{Coracle, Live, eventually};

use super::cycle::{resume, suspend};
use crate::debug::Session;
use crate::images;
use crate::suite;

/// Waits to be told something, or with an argument counts for ever.
const SOURCE: &str = "#include <signal.h>
#include <unistd.h>
static volatile sig_atomic_t times;
static volatile long spun;
__attribute__((noinline)) static void told(int signal) { (void)signal; times++; }
int main(int count, char **arguments)
{
    (void)arguments;
    signal(SIGUSR1, told);
    while (count > 1)
        spun++;
    for (;;)
        pause();
}
";

/// What gdb says where the connection is not as it should be.
const TROUBLE: [&str; 5] = ["emote", "imed out", "Ignoring", "rror", "exited"];

/// A gdb and the container that it debugs.
pub(super) struct Debugger<'a> {
    coracle: &'a Coracle,
    container: &'static str,
    gdb: Live,
    hits: u32,
}

impl<'a> Debugger<'a> {
    /// With a breakpoint where the program is told something; it runs.
    pub(super) fn attach(coracle: &'a Coracle) -> Result<Self> {
        let mut debugger = Self::of(coracle, "debugged", &[])?;
        debugger.say("handle SIGUSR1 nostop noprint pass")?;
        debugger.say("break told")?;
        debugger.go_on()?;
        Ok(debugger)
    }

    fn of(coracle: &'a Coracle, container: &'static str, arguments: &[&str]) -> Result<Self> {
        let folder = coracle.work(container)?;
        let source = folder.join("told.c");
        fs::write(&source, SOURCE)?;
        let status = Command::new("gcc")
            .args(["-g", "-O1", "-static", "-o"])
            .arg(folder.join("told"))
            .arg(source)
            .status()
            .context("cannot run gcc")?;
        ensure!(status.success(), "gcc failed");
        let mount = format!("{}:/work", folder.display());
        let image = images::busybox(coracle)?;
        let run = ["--name", container, "--volume", &mount, image, "/work/told"];
        coracle.background(run.iter().chain(arguments).copied())?;
        let session = Session::begin(coracle, container)?;
        let gdb = coracle
            .program("gdb")
            // Where a gdb that dies may leave its core.
            .dir(coracle.home())
            .args(["-nx", "-quiet", "-ex", "set pagination off"])
            .args(["-ex", &format!("target remote {}", session.address()?)]);
        Ok(Self {
            coracle,
            container,
            gdb: Live::start(gdb)?,
            hits: 0,
        })
    }

    /// Tells the program something, which the breakpoint notices.
    pub(super) fn hits(&mut self) -> Result<()> {
        self.tell()?;
        self.gdb.line(|line| line.contains("Breakpoint 1, told"))?;
        self.say("print times")?;
        let times = format!("= {}", self.hits);
        self.gdb.line(|line| line.ends_with(&times))?;
        self.hits += 1;
        self.go_on()
    }

    /// gdb is killed, and the program goes on without its breakpoint.
    pub(super) fn leave(self) -> Result<()> {
        drop(self.gdb);
        let (coracle, container) = (self.coracle, self.container);
        eventually("the end of the debugging", || {
            let traced = ["exec", container, "grep", "TracerPid", "/proc/1/status"];
            let traced = coracle.docker(traced).text()?;
            ensure!(traced.ends_with("\t0"), "{traced}");
            Ok(())
        })?;
        let tell = ["kill", "--signal", "USR1", container];
        coracle.docker(tell).ok()?;
        let running = ["inspect", "--format", "{{.State.Running}}", container];
        let running = coracle.docker(running).text()?;
        ensure!(running == "true", "the container has ended");
        Ok(())
    }

    fn tell(&self) -> Result<()> {
        let tell = ["kill", "--signal", "USR1", self.container];
        self.coracle.docker(tell).ok().map(drop)
    }

    fn go_on(&mut self) -> Result<()> {
        self.say("continue")?;
        self.gdb.line(|line| line.contains("Continuing."))?;
        Ok(())
    }

    fn say(&mut self, command: &str) -> Result<()> {
        self.gdb.write(format!("{command}\n").as_bytes())
    }

    /// Waits for some more single steps after the `done` ones; how many there are then. None is missing or
    /// went wrong.
    fn steps(&mut self, done: u64, more: u64) -> Result<u64> {
        let (mut steps, mut trouble) = (done, None);
        self.gdb.line(|line| {
            if let Some(number) = line.strip_suffix(" steps") {
                steps += 1;
                let number = number.rsplit(' ').next();
                if number != Some(&steps.to_string()) {
                    trouble = Some(format!("{line} instead of {steps}"));
                }
            } else if TROUBLE.iter().any(|word| line.contains(word)) {
                trouble = Some(line.to_owned());
            }
            trouble.is_some() || steps == done + more
        })?;
        match trouble {
            Some(trouble) => bail!("gdb said {trouble}"),
            None => Ok(steps),
        }
    }
}

/// Suspended with packets on their way, in either direction.
pub(super) fn steps_go_on(coracle: &Coracle) -> Result<()> {
    const STEPS: u64 = 50;
    let mut debugger = Debugger::of(coracle, "stepped", &["count"])?;
    for line in [
        // A suspension may take longer than an answer otherwise may.
        "set remotetimeout 600",
        "set $steps = 0",
        "while 1",
        "stepi",
        "set $steps = $steps + 1",
        "printf \"%d steps\\n\", $steps",
        "end",
    ] {
        debugger.say(line)?;
    }
    debugger.gdb.line(|line| line.ends_with("1 steps"))?;
    let mut done = 1;
    for _ in 0..suite::times(3, 20) {
        done = debugger.steps(done, STEPS)?;
        suspend(coracle)?;
        resume(coracle)?;
    }
    debugger.steps(done, STEPS)?;
    debugger.leave()
}
