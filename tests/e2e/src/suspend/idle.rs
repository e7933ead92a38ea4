//! A VM that nobody uses costs nothing, and nobody who uses it notices.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, patience, process};

use super::cycle::{boot_id, is_suspended, resume};
use crate::images;
use crate::ports::Peer;

/// Seconds without use.
const AFTER: &str = "1";

/// An emulated processor that does nothing takes more than a real one.
const CPU_PERCENT: &str = "100";

/// For how long a sleeping VM is watched, and how much of a processor it may take then.
const WATCHED: Duration = Duration::from_secs(2);
const STILL: Duration = Duration::from_millis(20);

const LABEL: &str = "dev.coracle.keep-awake=yes";

pub(super) fn sleeps_until_it_is_used(coracle: &Coracle) -> Result<()> {
    let folder = coracle.work("idle")?;
    fs::write(folder.join("log"), "first\n")?;
    let ports = ["5001", "5002", "5006/udp"].map(|port| format!("127.0.0.1::{port}"));
    let mut options: Vec<&str> = ports.iter().flat_map(|port| ["--publish", port]).collect();
    let mount = format!("{}:/work", folder.display());
    options.extend(["--volume", &mount]);
    let peer = Peer::start(coracle, &options)?;
    let follow = ["sh", "-c", "exec tail -n +1 -f /work/log"];
    let reader = ["--volume", &mount, images::busybox(coracle)?];
    let reader = coracle.background([&reader[..], &follow].concat())?;
    coracle.await_log(&reader, "first")?;
    let mut open = peer.connect(5001)?;
    echoes(&mut open)?;
    let datagrams = UdpSocket::bind("127.0.0.1:0")?;
    datagrams.connect(peer.address_of("5006/udp")?)?;

    let _sleepy = Sleepy::set(coracle, "0")?;
    let used = |what: &str, by: &mut dyn FnMut() -> Result<()>| {
        asleep(coracle).with_context(|| format!("before {what}"))?;
        let begun = Instant::now();
        by().with_context(|| what.to_owned())?;
        eprintln!("{what}: {:.0?} from its sleep", begun.elapsed());
        Ok::<_, anyhow::Error>(())
    };
    used("a byte of a connection from before", &mut || {
        echoes(&mut open)
    })?;
    used("a connection to a server that speaks first", &mut || {
        is_greeted(&peer.connect(5002)?)
    })?;
    used("a datagram", &mut || {
        datagrams.set_read_timeout(Some(patience()))?;
        datagrams.send(b"word")?;
        let mut back = [0; 16];
        let length = datagrams.recv(&mut back)?;
        ensure!(&back[..length] == b"word");
        Ok(())
    })?;
    used("a docker command", &mut || {
        coracle.docker(["ps"]).ok().map(drop)
    })?;
    used("an edit", &mut || {
        let log = folder.join("log");
        writeln!(fs::OpenOptions::new().append(true).open(log)?, "second")?;
        coracle.await_log(&reader, "second")
    })?;
    used("a half-closed connection", &mut || {
        let mut stream = peer.connect(5001)?;
        echoes(&mut stream)?;
        asleep(coracle)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        ensure!(stream.read(&mut [0])? == 0, "it was not ended");
        Ok(())
    })?;

    let awake = coracle.background(["--label", LABEL, images::BUSYBOX, "sleep", "1000"])?;
    thread::sleep(8 * Duration::from_secs(AFTER.parse()?));
    ensure!(!is_asleep(coracle)?, "a container that keeps it awake runs");
    coracle.docker(["rm", "--force", &awake]).ok()?;
    asleep(coracle)
}

/// No process of a VM is left, and its ports and sockets are open all the same.
pub(super) fn suspended_until_it_is_used(coracle: &Coracle) -> Result<()> {
    let boot = boot_id(coracle)?;
    let ports = ["5002", "5006/udp"].map(|port| format!("127.0.0.1::{port}"));
    let options: Vec<&str> = ports.iter().flat_map(|port| ["--publish", port]).collect();
    let peer = Peer::start(coracle, &options)?;
    let (greeter, datagrams) = (peer.address_of("5002")?, peer.address_of("5006/udp")?);
    let _sleepy = Sleepy::set(coracle, AFTER)?;
    let used = |what: &str, by: &dyn Fn() -> Result<()>| {
        suspended(coracle).with_context(|| format!("before {what}"))?;
        let begun = Instant::now();
        by().with_context(|| what.to_owned())?;
        eprintln!("{what}: {:.0?} from the disk", begun.elapsed());
        Ok::<_, anyhow::Error>(())
    };
    used("a connection to a server that speaks first", &|| {
        is_greeted(&TcpStream::connect(&greeter)?)
    })?;
    used("a datagram", &|| {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(patience()))?;
        socket.connect(&datagrams)?;
        socket.send(b"word")?;
        let mut back = [0; 16];
        let length = socket.recv(&mut back)?;
        ensure!(&back[..length] == b"word");
        Ok(())
    })?;
    used("a docker command", &|| {
        let running = coracle.docker(["ps", "--quiet"]).text()?;
        ensure!(running.lines().count() == 1, "{running:?}");
        Ok(())
    })?;
    ensure!(boot_id(coracle)? == boot, "the guest was booted anew");
    suspended(coracle)?;
    // A stop leaves nothing that would bring it back.
    coracle.coracle(["stop"]).ok()?;
    ensure!(TcpStream::connect(&greeter).is_err(), "the port is open");
    resume(coracle)?;
    is_greeted(&peer.connect(5002)?)
}

/// Waits until it is suspended to be woken by its use.
pub(crate) fn suspended(coracle: &Coracle) -> Result<()> {
    eventually("a VM that is suspended", || {
        let status = coracle.status()?;
        let vm = &status["vm"];
        ensure!(
            vm["state"] == "suspended" && vm["asleep"] == true,
            "{status}"
        );
        Ok(())
    })?;
    is_suspended(coracle)
}

/// Waits until the VM sleeps; it takes no processor then, and to be asked for its status does not wake it.
fn asleep(coracle: &Coracle) -> Result<()> {
    eventually("a VM that sleeps", || {
        ensure!(is_asleep(coracle)?, "it is awake");
        Ok(())
    })?;
    let home = coracle.paths().home().display().to_string();
    let hypervisor = process::of_state_named(&home, "qemu-system");
    ensure!(!hypervisor.is_empty(), "there is no VM");
    let taken = || {
        let taken = hypervisor.iter().map(|id| process::cpu_time(*id));
        taken.sum::<Result<Duration>>()
    };
    let before = taken()?;
    thread::sleep(WATCHED);
    let took = taken()? - before;
    ensure!(took <= STILL, "it took {took:?} in {WATCHED:?}");
    ensure!(is_asleep(coracle)?, "it woke up by itself");
    Ok(())
}

fn is_asleep(coracle: &Coracle) -> Result<bool> {
    let status = coracle.status()?;
    ensure!(status["vm"]["state"] == "running", "{status}");
    Ok(status["vm"]["asleep"] == true)
}

fn echoes(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"word")?;
    let mut back = [0; 4];
    stream.read_exact(&mut back)?;
    ensure!(&back == b"word", "{back:?}");
    Ok(())
}

fn is_greeted(stream: &TcpStream) -> Result<()> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    ensure!(line == "who is there?\n", "{line:?}");
    Ok(())
}

/// A VM that falls asleep soon; when dropped, as usual again.
pub(crate) struct Sleepy<'a>(&'a Coracle);

const PAUSE: &str = "idle.pause_after_s";
const SUSPEND: &str = "idle.suspend_after_s";
const CPU: &str = "idle.cpu_percent";

impl<'a> Sleepy<'a> {
    /// Seconds of sleep after which it goes to the disk; `0` for never.
    pub(crate) fn set(coracle: &'a Coracle, suspend_after_s: &str) -> Result<Self> {
        let sleepy = Self(coracle);
        for (key, value) in [
            (CPU, CPU_PERCENT),
            (SUSPEND, suspend_after_s),
            (PAUSE, AFTER),
        ] {
            coracle.coracle(["config", "set", key, value]).ok()?;
        }
        Ok(sleepy)
    }
}

impl Drop for Sleepy<'_> {
    fn drop(&mut self) {
        for key in [PAUSE, SUSPEND, CPU] {
            let _ = self.0.coracle(["config", "set", key, "null"]).run();
        }
    }
}
