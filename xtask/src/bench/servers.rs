//! What answers in the guest: nginx, a sink and a source of bytes, and sshd, in containers
//! made of Debian's packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use coracle_vm_harness::Coracle;

use crate::arch::Arch;
use crate::digest::Digest;
use crate::process::{self, progress};
use crate::{checkout, debian};

/// nginx, which answers each request with a few bytes.
pub(super) const HTTP: u16 = 80;

/// Reads everything, then closes.
pub(super) const SINK: u16 = 5001;

/// Sends [`BULK`] bytes to each client.
pub(super) const SOURCE: u16 = 5002;

/// sshd, on the guest's own network.
pub(super) const SSH: u16 = 2022;

/// How much the source sends, in bytes.
pub(super) const BULK: usize = 32 << 20;

const IMAGE: &str = "coracle-bench";

const PACKAGES: [&str; 5] = [
    "busybox-static",
    "iproute2",
    "nginx",
    "openssh-server",
    "socat",
];

/// Parts of those packages that nothing here needs.
const LEFT_OUT: [&str; 6] = [
    "usr/share",
    "usr/lib/systemd",
    "usr/lib/udev",
    "usr/lib/git-core",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/x86_64-linux-gnu/perl-base",
];

const NGINX: &str = "worker_processes 1;\ndaemon off;\nerror_log stderr;\npid /run/nginx.pid;\n\
    events { worker_connections 4096; }\n\
    http { access_log off; keepalive_requests 100000000; keepalive_timeout 600;\n\
    server { listen 80 backlog=4096; location / { return 200 \"well answered\\n\"; } } }\n";

pub(super) const SSHD_CONFIG: &str = "Port 2022\nHostKey /etc/ssh/host_key\nUsePAM no\n\
    PermitRootLogin prohibit-password\nAuthorizedKeysFile /etc/ssh/authorized\nStrictModes no\n\
    AllowTcpForwarding yes\nAllowStreamLocalForwarding yes\nMaxSessions 1000\nUseDNS no\n\
    Compression no\nIPQoS none";

const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n\
    nobody:x:65534:65534:nobody:/nonexistent:/bin/false\nwww-data:x:33:33::/:/bin/false\n";

/// Starts all of it, with the three ports of the server published as these, and leaves the key
/// of sshd in `folder`. Returns the server's address in the guest.
pub(super) fn start(coracle: &Coracle, folder: &Path, published: [u16; 3]) -> Result<String> {
    load_image(coracle)?;
    let key = folder.join("key");
    process::output(
        process::command("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key),
    )?;
    let public = fs::read_to_string(folder.join("key.pub"))?;
    coracle.background([
        "--name",
        "bench-sshd",
        "--network",
        "host",
        "--privileged",
        "--volume",
        "/var/run/docker.sock:/var/run/docker.sock",
        "--env",
        &format!("KEY={}", public.trim()),
        IMAGE,
        "/bin/sh",
        "-c",
        "echo \"$KEY\" > /etc/ssh/authorized && exec /usr/sbin/sshd -D -e -f /etc/ssh/bench",
    ])?;
    let publish = |port: u16, inside: u16| format!("{port}:{inside}");
    coracle.background([
        "--name", "bench-servers",
        "--publish", &publish(published[0], HTTP),
        "--publish", &publish(published[1], SINK),
        "--publish", &publish(published[2], SOURCE),
        IMAGE, "/bin/sh", "-c",
        &format!(
            "socat -u -b 65536 TCP-LISTEN:{SINK},reuseaddr,fork OPEN:/dev/null & \
             socat -U -b 65536 TCP-LISTEN:{SOURCE},reuseaddr,fork OPEN:/dev/zero,readbytes={BULK} & \
             exec nginx -c /etc/nginx/bench"
        ),
    ])?;
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    coracle
        .docker(["inspect", "--format", format, "bench-servers"])
        .text()
}

/// Runs a shell command as root on the guest's own network.
pub(super) fn in_guest(coracle: &Coracle, command: &str) -> Result<()> {
    coracle
        .docker(["exec", "bench-sshd", "/bin/sh", "-c", command])
        .ok()
        .map(drop)
}

fn load_image(coracle: &Coracle) -> Result<()> {
    let archive = archive()?;
    coracle
        .docker([
            "import",
            "--change",
            "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        ])
        .arg(&archive)
        .arg(IMAGE)
        .ok()
        .map(drop)
}

/// The root file system of the containers: made now, or found in the cache.
pub(super) fn archive() -> Result<PathBuf> {
    let cache = super::ways::cache()?;
    let mut digest = Digest::default();
    digest.add(include_str!("servers.rs"));
    let folder = cache.join(format!("servers-{}", &digest.finish()[..16]));
    if folder.is_dir() {
        return Ok(folder.join("root.tar"));
    }
    progress("bench", "making the image of the servers");
    let extraction = debian::extract(Arch::host(), &PACKAGES.map(str::to_owned), false)?;
    let scratch = checkout::scratch(&cache)?;
    let tree = checkout::scratch(scratch.path())?;
    extraction.unpack(tree.path(), &["usr"])?;
    finish(tree.path())?;
    process::output(
        process::command("tar")
            .args(["--create", "--owner=0", "--group=0", "--file"])
            .arg(scratch.path().join("root.tar"))
            .arg("--directory")
            .arg(tree.path())
            .arg("."),
    )?;
    drop(tree);
    debian::publish(scratch, &folder)?;
    Ok(folder.join("root.tar"))
}

fn finish(tree: &Path) -> Result<()> {
    use std::os::unix::fs::symlink;
    for part in LEFT_OUT {
        let path = tree.join(part);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
        }
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        if tree.join("usr").join(name).is_dir() {
            symlink(format!("usr/{name}"), tree.join(name))?;
        }
    }
    if !tree.join("usr/bin/sh").exists() {
        symlink("busybox", tree.join("usr/bin/sh"))?;
    }
    for folder in [
        "etc/ssh",
        "etc/nginx",
        "run/sshd",
        "root",
        "tmp",
        "dev",
        "proc",
        "sys",
        "var/lib/nginx",
        "var/log/nginx",
    ] {
        fs::create_dir_all(tree.join(folder))?;
    }
    fs::write(tree.join("etc/passwd"), USERS)?;
    fs::write(
        tree.join("etc/group"),
        "root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n",
    )?;
    fs::write(tree.join("etc/nginx/bench"), NGINX)?;
    fs::write(tree.join("etc/ssh/bench"), format!("{SSHD_CONFIG}\n"))?;
    let key = tree.join("etc/ssh/host_key");
    process::output(
        process::command("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(key),
    )?;
    Ok(())
}
