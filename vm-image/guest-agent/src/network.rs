//! Loopback, the first interface, names.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use coracle_guest_api::boot::NetworkConfig;

use crate::command;
use crate::reaper::Reaper;

/// How long the network card may take to appear after its driver was loaded.
const APPEARS_WITHIN: Duration = Duration::from_secs(10);

/// Brings loopback and the network up, and writes `/etc/hosts` and `/etc/resolv.conf`, which
/// names the guest's own resolver ([`crate::resolver`]).
///
/// # Errors
/// One sentence of what does not work; loopback may work nevertheless.
pub(crate) async fn bring_up(
    reaper: &Reaper,
    hostname: &str,
    network: &NetworkConfig,
) -> Result<(), String> {
    let NetworkConfig::Static {
        address,
        prefix,
        gateway,
        ..
    } = network;
    let hosts = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{address}\t{hostname}\n"
    );
    write("/etc/hosts", &hosts)?;
    name_servers(&[*address])?;
    let card = card().await;
    let mut commands = vec!["link set lo up".to_owned()];
    if let Some(card) = &card {
        commands.push(format!("addr replace {address}/{prefix} dev {card}"));
        commands.push(format!("link set {card} up"));
        commands.push(format!("route replace default via {gateway}"));
    }
    ip_batch(reaper, &commands)
        .await
        .map_err(|error| format!("The VM's network could not be set up: {error}."))?;
    match card {
        Some(_) => Ok(()),
        None => Err("The VM has no network card: containers cannot reach the network.".to_owned()),
    }
}

/// Writes `/etc/resolv.conf`.
pub(crate) fn name_servers(addresses: &[Ipv4Addr]) -> Result<(), String> {
    let lines: String = addresses
        .iter()
        .map(|server| format!("nameserver {server}\n"))
        .collect();
    write("/etc/resolv.conf", &lines)
}

fn write(path: &str, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{path} cannot be written: {error}"))
}

/// Waits for the name of the first interface that has a device.
async fn card() -> Option<String> {
    let appears = async {
        loop {
            if let Some(name) = first_card(Path::new("/sys/class/net")) {
                return name;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(APPEARS_WITHIN, appears).await.ok()
}

fn first_card(folder: &Path) -> Option<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| entry.path().join("device").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.into_iter().next()
}

/// Runs all `commands` in one `ip`.
async fn ip_batch(reaper: &Reaper, commands: &[String]) -> io::Result<()> {
    let batch = "/run/coracle/network";
    fs::write(batch, commands.join("\n") + "\n")?;
    let mut ip = command::program("/usr/sbin/ip");
    let output = command::output(reaper, ip.args(["-batch", batch])).await?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(output.text))
    }
}
