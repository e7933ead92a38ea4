//! The processes of a Coracle as the kernel shows them.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill as send};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// The ids of all processes that are of the Coracle with this state folder: they name
/// it in their environment or command line, or descend from one that does.
pub fn of_state(home: &str) -> Vec<u32> {
    let variable = format!("CORACLE_HOME={home}\0");
    let own = std::process::id();
    let mut ours: Vec<u32> = all()
        .filter(|id| *id != own)
        .filter(|id| {
            // A process of another user has an environment that cannot be read.
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&variable)
                || command_line(*id).contains(home)
        })
        .collect();
    add_children(&mut ours);
    ours
}

/// Children, their children, and so on.
fn add_children(ids: &mut Vec<u32>) {
    loop {
        let children: Vec<u32> = all()
            .filter(|id| !ids.contains(id))
            .filter(|id| parent(*id).is_some_and(|parent| ids.contains(&parent)))
            .collect();
        if children.is_empty() {
            return;
        }
        ids.extend(children);
    }
}

/// Those of [`of_state`] whose command line contains the text.
pub fn of_state_named(home: &str, text: &str) -> Vec<u32> {
    let mut ids = of_state(home);
    ids.retain(|id| command_line(*id).contains(text));
    ids
}

/// The ids of all processes that descend from this one.
pub fn descendants(id: u32) -> Vec<u32> {
    let mut found = vec![id];
    add_children(&mut found);
    found.remove(0);
    found
}

/// The name of a process: its program's, cut off after 15 letters.
pub fn name(id: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// SIGKILL.
pub fn kill(id: u32) -> Result<()> {
    send(Pid::from_raw(id as i32), Signal::SIGKILL).with_context(|| format!("cannot kill {id}"))
}

/// Whether it still runs (a zombie does not).
pub fn is_alive(id: u32) -> bool {
    stat(id).is_some_and(|[state, _]| state != "Z")
}

fn parent(id: u32) -> Option<u32> {
    let [_, parent] = stat(id)?;
    parent.parse().ok()
}

/// What follows the name in `/proc/<id>/stat`: state and parent.
fn stat(id: u32) -> Option<[String; 2]> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = text
        .rsplit(')')
        .next()?
        .split_whitespace()
        .map(str::to_owned);
    Some([fields.next()?, fields.next()?])
}

/// The processor time that it has taken.
pub fn cpu_time(id: u32) -> Result<Duration> {
    let file = format!("/proc/{id}/stat");
    let text = fs::read_to_string(&file).with_context(|| file.clone())?;
    let fields = text.rsplit(')').next().unwrap_or_default();
    // What follows the name begins with the third field; the 14th and 15th are of user and kernel.
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<u64>().with_context(|| file.clone())?;
    }
    let a_second = sysconf(SysconfVar::CLK_TCK)?.context("no length of a tick")?;
    Ok(Duration::from_secs_f64(ticks as f64 / a_second as f64))
}

/// How many file descriptors it has open.
pub fn descriptors(id: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{id}/fd"))
        .with_context(|| format!("cannot see the descriptors of {id}"))?
        .count())
}

/// Its resident memory, in bytes.
pub fn resident(id: u32) -> Result<u64> {
    let file = format!("/proc/{id}/status");
    let text = fs::read_to_string(&file).with_context(|| file.clone())?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .map(|kib| kib << 10)
        .with_context(|| format!("no VmRSS in {file}"))
}

/// Its share of the memory that it has with others, and all its own, in bytes.
pub fn proportional(id: u32) -> Result<u64> {
    let file = format!("/proc/{id}/smaps_rollup");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .map(|kib| kib << 10)
        .with_context(|| format!("no Pss in {file}"))
}

/// The addresses on which it listens with TCP, as `127.0.0.1:8080` or `[::]:8080`, sorted.
pub fn listeners(id: u32) -> Result<Vec<String>> {
    let mut own = Vec::new();
    for entry in fs::read_dir(format!("/proc/{id}/fd"))? {
        // A descriptor may be closed while we look.
        let Ok(target) = fs::read_link(entry?.path()) else {
            continue;
        };
        if let Some(inode) = target.to_string_lossy().strip_prefix("socket:[") {
            own.push(inode.trim_end_matches(']').to_owned());
        }
    }
    let mut addresses = Vec::new();
    for table in ["tcp", "tcp6"] {
        let Ok(text) = fs::read_to_string(format!("/proc/net/{table}")) else {
            continue;
        };
        for line in text.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            if fields.len() > 9 && fields[3] == "0A" && own.iter().any(|inode| inode == fields[9]) {
                addresses.push(address(fields[1]).with_context(|| line.to_owned())?);
            }
        }
    }
    addresses.sort();
    Ok(addresses)
}

/// Reads the kernel's form: 32-bit words in host order, then the port.
fn address(field: &str) -> Option<String> {
    let (host, port) = field.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for word in host.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    Some(match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(v4) => format!("{}:{port}", std::net::Ipv4Addr::from(v4)),
        Err(_) => {
            let v6 = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
            format!("[{}]:{port}", std::net::Ipv6Addr::from(v6))
        }
    })
}

fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn command_line(id: u32) -> String {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_listener_is_seen_with_its_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(listeners(std::process::id()).unwrap().contains(&address));
        drop(listener);
        assert!(!listeners(std::process::id()).unwrap().contains(&address));
    }

    #[test]
    fn a_child_is_found_until_it_is_killed() {
        let home = format!("/nowhere-{}", std::process::id());
        let script = "sleep 1000.5 & wait";
        let mut shell = std::process::Command::new("sh")
            .args(["-c", script])
            .env("CORACLE_HOME", &home)
            .spawn()
            .unwrap();
        let child = loop {
            let found = of_state_named(&home, "sleep 1000.5");
            match found.into_iter().find(|id| *id != shell.id()) {
                Some(id) => break id,
                None => std::thread::yield_now(),
            }
        };
        kill(child).unwrap();
        shell.wait().unwrap();
        assert!(of_state(&home).is_empty());
        assert!(!is_alive(child));
    }
}
