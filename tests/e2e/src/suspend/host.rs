//! A host with a network of its own, in namespaces: nothing of the machine's own is touched.

use std::fs::{self, File};
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;

use anyhow::{Context, Result, anyhow};
use coracle_vm_harness::{Coracle, Live, Program};
use nix::sched::{CloneFlags, setns};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};

/// A server's name, known in every network.
pub(super) const NAME: &str = "mirror.corp.test";

/// A network in which the host has the address .10, the name server .53, and [`NAME`] is .80.
pub(super) struct Network {
    pub(super) prefix: &'static str,
    pub(super) words: &'static str,
}

impl Network {
    pub(super) fn address(&self, number: u8) -> String {
        format!("{}.{number}", self.prefix)
    }
}

const BEGIN: &str = r#"
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
mount --bind "$1/resolv.conf" /etc/resolv.conf
ip link set lo up
echo ready
exec cat
"#;

/// Gone when this is dropped, and what still runs in it has ended.
pub(super) struct Host<'a> {
    coracle: &'a Coracle,
    folder: tempfile::TempDir,
    first: Live,
}

impl<'a> Host<'a> {
    /// One without a network.
    pub(super) fn new(coracle: &'a Coracle) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("nsswitch.conf"), "hosts: files dns\n")?;
        fs::write(folder.path().join("resolv.conf"), "")?;
        let shell = coracle
            .program("unshare")
            .args(["--net", "--mount", "--propagation", "private"])
            .args(["sh", "-ec", BEGIN, "sh"])
            .arg(folder.path());
        let mut first = Live::start(shell)?;
        first.line(|line| line == "ready")?;
        Ok(Self {
            coracle,
            folder,
            first,
        })
    }

    /// Leaves the network it was in for this one.
    pub(super) fn join(&self, network: &Network) -> Result<()> {
        self.leave()?;
        for number in [10, 53, 80] {
            let address = format!("{}/24", network.address(number));
            let add = ["addr", "add", &address, "dev", "lo"];
            self.program("ip").args(add).ok()?;
        }
        let (server, mirror) = (network.address(53), network.address(80));
        self.within(|| name_server(&server, mirror.parse()?))?;
        self.resolve_by(&format!("nameserver {server}\n"))
    }

    /// Has no network any more.
    pub(super) fn leave(&self) -> Result<()> {
        let flush = ["addr", "flush", "dev", "lo", "scope", "global"];
        self.program("ip").args(flush).ok()?;
        self.resolve_by("")
    }

    /// The `coracle` command, as a user of this host runs it.
    pub(super) fn coracle(&self) -> Program {
        let command = self.coracle.places().programs.join("coracle");
        self.program(command)
    }

    /// Runs it in this host's network.
    pub(super) fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let network = File::open(format!("/proc/{}/ns/net", self.first.id()))?;
        let enter = move || {
            setns(&network, CloneFlags::CLONE_NEWNET)?;
            work()
        };
        // A thread of its own never comes back from there.
        thread::scope(|scope| scope.spawn(enter).join())
            .map_err(|_| anyhow!("it panicked"))?
            .context("in the other network")
    }

    fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Program {
        let target = self.first.id().to_string();
        self.coracle
            .program("nsenter")
            .args(["--net", "--mount", "--target", &target])
            .arg(program)
    }

    /// Written in place: the file is a mount.
    fn resolve_by(&self, text: &str) -> Result<()> {
        Ok(fs::write(self.folder.path().join("resolv.conf"), text)?)
    }
}

/// Knows [`NAME`] and nothing else, for as long as the test program runs.
fn name_server(address: &str, mirror: Ipv4Addr) -> Result<()> {
    let socket = UdpSocket::bind((address, 53))?;
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut bytes) {
            if let Some(answer) = answer(&bytes[..length], mirror) {
                // Who asked may have gone.
                let _ = socket.send_to(&answer, client);
            }
        }
    });
    Ok(())
}

fn answer(query: &[u8], mirror: Ipv4Addr) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    let question = query.questions.first()?;
    let mut answer = Packet::new_reply(query.id());
    answer.set_flags(PacketFlag::RECURSION_AVAILABLE | PacketFlag::RECURSION_DESIRED);
    answer.questions.push(question.clone());
    let known = Name::new(NAME).ok()?;
    if question.qname != known {
        *answer.rcode_mut() = RCODE::NameError;
    } else if question.qtype == simple_dns::QTYPE::TYPE(simple_dns::TYPE::A) {
        let address = RData::A(A::from(mirror));
        answer
            .answers
            .push(ResourceRecord::new(known, CLASS::IN, 60, address));
    }
    answer.build_bytes_vec().ok()
}
