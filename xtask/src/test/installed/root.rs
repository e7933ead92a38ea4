//! A clean Debian, and a user in it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::digest::Digest;
use crate::process::{command, output, progress};
use crate::{checkout, debian};

/// A release that the package installs on.
pub(super) struct Release {
    pub(super) version: &'static str,
    name: &'static str,
    /// Whether its own QEMU is too old.
    pub(super) backports: bool,
}

pub(super) const RELEASES: [Release; 2] = [
    Release {
        version: "12",
        name: "bookworm",
        backports: true,
    },
    Release {
        version: "13",
        name: "trixie",
        backports: false,
    },
];

/// The user in it.
pub(super) const USER: &str = "ada";

/// Its file system with processes of its own, which end with this value.
pub(super) struct Root {
    holder: Child,
    /// The first process reads it: it ends when we do, and all others with it.
    input: Option<ChildStdin>,
    /// Its number on the host.
    first: String,
    folder: TempDir,
}

impl Root {
    /// Makes the file system, or takes a copy of what was made before.
    pub(super) fn new(release: &Release) -> Result<Self> {
        let cache = base(release)?;
        let folder = checkout::scratch(&checkout::target()?.join("installed"))?;
        output(
            command("tar")
                .args(["--extract", "--numeric-owner", "--file"])
                .arg(cache.join("root.tar"))
                .arg("--directory")
                .arg(folder.path()),
        )?;
        let mut holder = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args(["--propagation", "private", "sh", "-ec", ENTER, "sh"])
            .arg(folder.path())
            .arg(cache.join("archives"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run unshare")?;
        let input = holder.stdin.take();
        // It says one letter when all is mounted.
        let mut ready = [0];
        let said = holder
            .stdout
            .take()
            .context("no output")?
            .read(&mut ready)?;
        let id = holder.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let root = Self {
            holder,
            input,
            first: children.unwrap_or_default().trim().to_owned(),
            folder,
        };
        ensure!(
            said == 1 && !root.first.is_empty(),
            "cannot enter a root file system"
        );
        root.run(&format!("useradd --create-home --shell /bin/bash {USER}"))?;
        Ok(root)
    }

    /// Puts a file into the user's home folder.
    pub(super) fn give(&self, file: &Path) -> Result<()> {
        let name = file.file_name().context("a file has a name")?;
        let home = self.folder.path().join("home").join(USER);
        fs::copy(file, home.join(name)).with_context(|| file.display().to_string())?;
        Ok(())
    }

    /// Runs a script as root.
    pub(super) fn run(&self, script: &str) -> Result<String> {
        self.enter(&["sh", "-ec", script])
    }

    /// Runs a script as the user who has just logged in.
    pub(super) fn login(&self, script: &str) -> Result<String> {
        self.enter(&["runuser", "--login", USER, "--command", script])
    }

    fn enter(&self, words: &[&str]) -> Result<String> {
        output(
            Command::new("nsenter")
                .args([
                    "--mount",
                    "--pid",
                    "--root",
                    "--wd",
                    "--target",
                    &self.first,
                ])
                .args(["env", "--ignore-environment", "LC_ALL=C.UTF-8"])
                .args(["DEBIAN_FRONTEND=noninteractive", "HOME=/root"])
                .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
                .args(words),
        )
    }

    /// All files that are neither a user's nor come and go.
    pub(super) fn files(&self) -> Result<Vec<String>> {
        let list = self.run(
            "find / -xdev \\( -path /home -o -path /var/cache -o -path /var/lib/apt \
             -o -path /var/lib/dpkg -o -path /var/log -o -path /tmp \\) -prune -o -print",
        )?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    /// The programs of the user's processes.
    pub(super) fn processes(&self) -> Result<String> {
        self.run(&format!(
            "for process in $(find /proc -maxdepth 1 -name '[0-9]*' -user {USER}); do \
             grep -qs '^State:.Z' $process/status || cat $process/comm 2>/dev/null || true; done"
        ))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.holder.wait();
    }
}

/// Mounts what programs expect, and becomes the first process. The root is changed by `pivot_root`: in one that
/// was changed by `chroot` alone, the kernel refuses the user namespace that virtiofsd asks for.
const ENTER: &str = r#"
mount --bind "$1" "$1"
cd "$1"
mount --rbind /dev dev
mount --rbind --options ro /sys sys
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount --bind "$2" var/cache/apt/archives
cp /etc/resolv.conf etc/resolv.conf
pivot_root . mnt
exec chroot . sh -c 'umount --lazy /mnt; printf r; exec cat >/dev/null'
"#;

/// A folder with the archive of the file system and those of the packages that apt fetched for it.
fn base(release: &Release) -> Result<PathBuf> {
    let cache = checkout::cache("roots")?;
    let (options, sources) = recipe(release);
    let mut digest = Digest::default();
    options
        .iter()
        .chain(&sources)
        .for_each(|part| digest.add(part));
    let folder = cache.join(format!("{}-{}", release.name, &digest.finish()[..16]));
    if folder.is_dir() {
        return Ok(folder);
    }
    progress("installed", &format!("making a Debian {}", release.version));
    let scratch = checkout::scratch(&cache)?;
    fs::create_dir(scratch.path().join("archives"))?;
    output(
        command("mmdebstrap")
            .args(options)
            .args(debian::proxy())
            .arg(release.name)
            .arg(scratch.path().join("root.tar"))
            .args(sources),
    )
    .context("cannot make a root file system")?;
    debian::publish(scratch, &folder)?;
    Ok(folder)
}

/// mmdebstrap's options, and the lines of sources.list.
fn recipe(release: &Release) -> (Vec<String>, Vec<String>) {
    let keyring = format!("--keyring={}", debian::KEYRING);
    let options = [
        "--mode=root",
        "--variant=minbase",
        &keyring,
        // What every desktop has.
        "--include=ca-certificates,dbus,passwd",
        "--aptopt=APT::Keep-Downloaded-Packages \"true\"",
        // It is thrown away: nothing in it need outlive a power cut.
        "--dpkgopt=force-unsafe-io",
    ];
    let name = release.name;
    let mut suites = vec![name.to_owned(), format!("{name}-updates")];
    suites.extend(release.backports.then(|| format!("{name}-backports")));
    let mut sources: Vec<_> = suites
        .iter()
        .map(|suite| format!("deb http://deb.debian.org/debian {suite} main"))
        .collect();
    sources.push(format!(
        "deb http://deb.debian.org/debian-security {name}-security main"
    ));
    (options.map(str::to_owned).to_vec(), sources)
}
