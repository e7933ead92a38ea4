//! The peers' ways into our own guest: QEMU's `hostfwd`, gvproxy, `ssh -L`.
//!
//! Nothing of it is in the product. A script in front of QEMU in PATH gives the VM the forwards
//! and a second network card, which leads to gvproxy; a container brings the servers and sshd.
//! All four ways end at the same container: ours and ssh's at its address, the others' at the
//! port that the engine publishes in the guest.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, http};

use super::load::{self, Target};
use super::servers;
use crate::arch::Arch;
use crate::{checkout, debian, process};

/// Ports of the container, in the order of [`Door`]'s fields.
const INSIDE: [u16; 3] = [servers::HTTP, servers::SINK, servers::SOURCE];

/// Where the servers of the container are reached on the host by one way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    pub(super) http: u16,
    pub(super) sink: u16,
    pub(super) source: u16,
}

impl Door {
    fn ports(self) -> [u16; 3] {
        [self.http, self.sink, self.source]
    }

    fn free() -> Result<Self> {
        let [http, sink, source] = free_ports::<3>()?;
        Ok(Self { http, sink, source })
    }
}

/// What is there before the VM: it is booted with these.
pub(super) struct Means {
    folder: PathBuf,
    published: Door,
    hostfwd: Door,
    gvproxy: Door,
    ssh: Door,
    ssh_port: u16,
    gvproxy_process: Running,
}

/// All four ways, open.
pub(super) struct Ways {
    /// Ours.
    pub(super) published: Door,
    pub(super) peers: [Peer; 3],
    /// The engine's socket through `ssh -L`.
    pub(super) ssh_socket: PathBuf,
    /// How that was made.
    pub(super) ssh_commands: String,
    _processes: [Running; 2],
}

/// A way that is not ours.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) door: Door,
    pub(super) commands: String,
}

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const GUEST_CARD: &str = "5a:94:ef:e4:0c:ee";
const GUEST_ADDRESS: &str = "192.168.127.2";

impl Means {
    /// Chooses ports, starts gvproxy, writes the script. `folder` outlives the VM.
    pub(super) fn prepare(folder: &Path) -> Result<Self> {
        let folder = folder.join("ways");
        fs::create_dir(&folder)?;
        let [ssh_port, unused] = free_ports()?;
        let extraction = debian::extract(Arch::host(), &["gvproxy".to_owned()], false)?;
        extraction.unpack(&folder.join("gvproxy"), &["usr/bin/gvproxy"])?;
        let child = Command::new(folder.join("gvproxy/usr/bin/gvproxy"))
            .args(gvproxy_arguments(&folder, unused))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("gvproxy.log"))?)
            .spawn()
            .context("cannot run gvproxy")?;
        let gvproxy_process = Running(child);
        eventually("gvproxy's socket", || {
            ensure!(folder.join("card").exists(), "it is not there");
            Ok(())
        })?;
        let means = Self {
            published: Door::free()?,
            hostfwd: Door::free()?,
            gvproxy: Door::free()?,
            ssh: Door::free()?,
            ssh_port,
            gvproxy_process,
            folder,
        };
        means.write_script()?;
        Ok(means)
    }

    /// The value of PATH with which the VM is to be started.
    pub(super) fn path(&self) -> std::ffi::OsString {
        let mut path = self.folder.join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }

    fn hostfwd_options(&self) -> String {
        let to = [(self.ssh_port, servers::SSH)].into_iter();
        let forwards = to.chain(self.hostfwd.ports().into_iter().zip(self.published.ports()));
        forwards
            .map(|(host, guest)| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"))
            .collect()
    }

    fn card_options(&self) -> [String; 4] {
        [
            "-netdev".to_owned(),
            format!(
                "stream,id=gv,server=off,addr.type=unix,addr.path={}",
                self.folder.join("card").display()
            ),
            "-device".to_owned(),
            format!("virtio-net-pci,netdev=gv,mac={GUEST_CARD},romfile="),
        ]
    }

    fn write_script(&self) -> Result<()> {
        let name = match Arch::host() {
            Arch::X86_64 => "qemu-system-x86_64",
            Arch::Aarch64 => "qemu-system-aarch64",
        };
        let real = process::find(name).with_context(|| format!("{name} is not installed"))?;
        let script = format!(
            "#!/bin/sh\n\
             # The VM gets more ways in; any other QEMU (a version, a trial) stays as it is.\n\
             ours=\n\
             for argument; do\n\
             \x20   shift\n\
             \x20   case $argument in user,id=net,*) ours=1 argument=\"$argument{}\" ;; esac\n\
             \x20   set -- \"$@\" \"$argument\"\n\
             done\n\
             [ -z \"$ours\" ] || set -- \"$@\" {}\n\
             exec {} \"$@\"\n",
            self.hostfwd_options(),
            self.card_options().join(" "),
            real.display(),
        );
        let bin = self.folder.join("bin");
        fs::create_dir(&bin)?;
        fs::write(bin.join(name), script)?;
        fs::set_permissions(bin.join(name), Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// Starts the servers in the VM and opens all ways.
    pub(super) fn open(self, coracle: &Coracle) -> Result<Ways> {
        let address = servers::start(coracle, &self.folder, self.published.ports())?;
        servers::in_guest(
            coracle,
            &format!("ip addr add {GUEST_ADDRESS}/24 dev eth1 && ip link set eth1 up"),
        )?;
        for (host, guest) in self.gvproxy.ports().into_iter().zip(self.published.ports()) {
            let body = format!(
                "{{\"local\":\"127.0.0.1:{host}\",\"remote\":\"{GUEST_ADDRESS}:{guest}\"}}"
            );
            let control = self.folder.join("control");
            let answer = http::over_unix(&control, "POST", "/services/forwarder/expose", &body)?;
            ensure!(answer.status == 200, "gvproxy: {}", answer.text());
        }
        let ssh_socket = self.folder.join("docker.sock");
        let arguments = self.ssh_arguments(&address, &ssh_socket);
        let ssh = Command::new("ssh")
            .args(&arguments)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot run ssh")?;
        let ssh = Running(ssh);
        let ssh_commands = format!(
            "qemu-system-… -netdev user,…,hostfwd=tcp:127.0.0.1:{}-:{}\n\
             sshd -D   # in the guest: {}\nssh {}",
            self.ssh_port,
            servers::SSH,
            servers::SSHD_CONFIG.replace('\n', "; "),
            arguments.join(" ")
        );
        let peers = [
            Peer {
                name: "ssh",
                door: self.ssh,
                commands: ssh_commands.clone(),
            },
            Peer {
                name: "hostfwd",
                door: self.hostfwd,
                commands: format!("qemu-system-… -netdev user,…{}", self.hostfwd_options()),
            },
            Peer {
                name: "gvproxy",
                door: self.gvproxy,
                commands: format!(
                    "gvproxy {}\nqemu-system-… {}",
                    gvproxy_arguments(Path::new("…"), 2222).join(" "),
                    self.card_options().join(" ")
                ),
            },
        ];
        for (name, door) in [("ours", self.published)]
            .into_iter()
            .chain(peers.iter().map(|peer| (peer.name, peer.door)))
        {
            load::first_answer(&Target::Tcp(door.http), std::time::Duration::from_secs(60))
                .with_context(|| format!("the way of {name}"))?;
        }
        Ok(Ways {
            published: self.published,
            peers,
            ssh_socket,
            ssh_commands,
            _processes: [self.gvproxy_process, ssh],
        })
    }

    fn ssh_arguments(&self, container: &str, socket: &Path) -> Vec<String> {
        let mut arguments: Vec<String> = "-N -T -o BatchMode=yes -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ExitOnForwardFailure=yes \
             -o Compression=no -o IPQoS=none -o Ciphers=aes128-gcm@openssh.com"
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let key = self.folder.join("key").display().to_string();
        arguments.extend(["-i".to_owned(), key]);
        for (host, inside) in self.ssh.ports().into_iter().zip(INSIDE) {
            arguments.extend([
                "-L".to_owned(),
                format!("127.0.0.1:{host}:{container}:{inside}"),
            ]);
        }
        let sockets = format!("{}:/var/run/docker.sock", socket.display());
        arguments.extend(["-L".to_owned(), sockets]);
        arguments.extend(["-p".to_owned(), self.ssh_port.to_string()]);
        arguments.push("root@127.0.0.1".to_owned());
        arguments
    }
}

fn gvproxy_arguments(folder: &Path, unused: u16) -> Vec<String> {
    let folder = folder.display();
    format!(
        "-listen unix://{folder}/control -listen-qemu unix://{folder}/card -mtu 1500 \
         -ssh-port {unused}"
    )
    .split_whitespace()
    .map(str::to_owned)
    .collect()
}

/// Ports that nobody listens on now.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Where the images of the benches' containers are kept.
pub(super) fn cache() -> Result<PathBuf> {
    checkout::cache("bench")
}
