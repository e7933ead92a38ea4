//! The package, installed into clean systems and used there by an ordinary user.

mod root;
mod screen;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::Options;
use super::tally::Tally;
use super::vm::Session;
use crate::apt;
use crate::dist::{self, Profile};
use crate::process::{command, output, progress};
use root::{RELEASES, Release, Root};
use screen::Screen;

/// How long something may take that has been asked to begin or to end.
const PATIENCE: Duration = Duration::from_secs(120);

const LINT: &str = "installed::no_error_of_lintian";

/// Runs it; only root can make another root file system.
pub(super) fn run(options: &Options, tally: &mut Tally) -> Result<()> {
    let wanted = |name: &str| {
        options
            .filter
            .as_ref()
            .is_none_or(|part| name.contains(part))
    };
    let name = |release: &Release| format!("installed::debian_{}", release.version);
    let names = RELEASES.iter().map(name).chain([LINT.to_owned()]);
    let names: Vec<_> = names.filter(|name| wanted(name)).collect();
    if options.list {
        names.iter().for_each(|name| println!("{name}: test"));
        return Ok(());
    }
    if names.is_empty() {
        return Ok(());
    }
    if !nix::unistd::geteuid().is_root() {
        let reason = "only root can install packages into another system";
        ensure!(options.suites.is_empty(), "{reason}: run this with sudo");
        eprintln!("installed: left out, as {reason}");
        return Ok(());
    }
    let session = Session::prepare(false, true)?;
    let folder = session.target.join("installed");
    let packages = [
        dist::package(Profile::Dev, 1, &folder)?,
        dist::package(Profile::Dev, 2, &folder)?,
    ];
    if wanted(LINT) {
        report(tally, LINT, || lint(&packages[0]));
    }
    for (index, release) in RELEASES.iter().enumerate() {
        let name = name(release);
        // A VM takes minutes: the older release has it, with all that is brought along for it.
        let with_vm = index == 0 || options.long;
        if wanted(&name) {
            report(tally, &name, || {
                installed(release, &session, &packages, with_vm)
            });
        }
    }
    Ok(())
}

fn report(tally: &mut Tally, name: &str, test: impl FnOnce() -> Result<()>) {
    let began = Instant::now();
    let result = test();
    let took = began.elapsed().as_secs_f32();
    match result {
        Ok(()) => {
            tally.passed += 1;
            println!("test {name} ... ok ({took:.0} s)");
        }
        Err(error) => {
            tally.failed += 1;
            println!("test {name} ... FAILED ({took:.0} s)\n{error:#}");
        }
    }
}

fn lint(package: &Path) -> Result<()> {
    let words = output(
        command("lintian")
            .args(["--fail-on=error", "--allow-root", "--tag-display-limit=0"])
            .arg(package),
    )?;
    print!("{words}");
    Ok(())
}

/// From a clean system to a clean system.
fn installed(
    release: &Release,
    session: &Session,
    packages: &[PathBuf; 2],
    with_vm: bool,
) -> Result<()> {
    let said = |text: &str| progress("installed", &format!("Debian {}: {text}", release.version));
    let root = Root::new(release)?;
    said("installing");
    root.run("apt-get update -q")?;
    let before = prepare(&root, release, &packages[0])?;
    install(&root, &packages[0])?;

    said("starting the app");
    let screen = Screen::new()?;
    start_app(&root, &screen)?;
    let page = Page::new()?;
    if with_vm {
        said("running a container");
        root.give(&session.target.join("samples/busybox.tar"))?;
        main_job(&root, &page)?;
    } else {
        // The daemon, and what of the tools runs without a VM.
        root.login("coracle config set vm.cpus 2 && docker --version")?;
        root.login("/usr/lib/coracle/tools/bin/virtiofsd --version")?;
        root.login("/usr/lib/coracle/tools/bin/docker-compose version")?;
    }

    default_socket(&root, with_vm)?;

    said("upgrading");
    install(&root, &packages[1])?;
    if with_vm {
        page.expect("kept").context("after the upgrade")?;
        root.login("coracle stop --quit && coracle start")?;
        page.expect("kept")
            .context("started anew after the upgrade")?;
        let volumes = root.login("docker --context coracle volume ls --quiet")?;
        ensure!(volumes.contains("kept"), "the volume is gone");
    }

    said("removing");
    let owned = root.run("dpkg --listfiles coracle")?;
    let running = root.processes()?;
    for program in ["coracled", "coracle-app"] {
        ensure!(
            running.contains(program),
            "{program} does not run:\n{running}"
        );
    }
    root.run("apt-get remove -qy coracle")?;
    wait("its processes to end", || Ok(root.processes()?.is_empty()))
        .with_context(|| root.processes().unwrap_or_default())?;
    root.run("apt-get purge -qy coracle")?;
    nothing_is_left(&root, &before, &owned)?;
    root.run("test ! -h /run/docker.sock")
        .context("the default socket")?;
    if with_vm {
        root.login("test -s .coracle/vm/data.raw")
            .context("the user's data")?;
    }
    root.login("test -d .coracle/log")
        .context("the user's logs")
        .map(drop)
}

/// Brings in what the package says it needs, and nothing else; all files that are there then.
fn prepare(root: &Root, release: &Release, package: &Path) -> Result<Vec<String>> {
    if release.backports {
        let qemu = apt::qemu_from_backports().join(" ");
        root.run(&format!(
            "apt-get install -qy --no-install-recommends {qemu}"
        ))?;
    }
    let needs = output(
        command("dpkg-deb")
            .arg("--field")
            .arg(package)
            .arg("Depends"),
    )?;
    root.run(&format!(
        "apt-get satisfy -qy --no-install-recommends '{}'",
        needs.trim()
    ))?;
    // What a desktop has: systemd's folder, and a user who may become root.
    root.run(&format!(
        "mkdir -p /etc/tmpfiles.d
         apt-get install -qy --no-install-recommends sudo
         echo '{} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/user",
        root::USER
    ))?;
    root.files()
}

fn install(root: &Root, package: &Path) -> Result<()> {
    let name = package.file_name().context("a package is a file")?;
    root.give(package)?;
    let package = format!("/home/{}/{}", root::USER, name.to_string_lossy());
    root.run(&format!(
        "apt-get install -qy --no-install-recommends {package} && rm {package}"
    ))?;
    Ok(())
}

/// Starts it in a session of its own, until it is on the bus and a second one finds it there.
fn start_app(root: &Root, screen: &Screen) -> Result<()> {
    let display = &screen.display;
    root.login(&format!(
        "DISPLAY={display} setsid dbus-run-session -- \
         sh -c 'echo $DBUS_SESSION_BUS_ADDRESS >bus; exec coracle-app' >app.log 2>&1 </dev/null &"
    ))?;
    let on_bus = "DBUS_SESSION_BUS_ADDRESS=$(cat bus) dbus-send --session --print-reply \
                  --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
                  string:dev.coracle.app.SingleInstance";
    let log = || root.login("cat app.log").unwrap_or_default();
    wait("the app to start", || {
        Ok(root
            .login(on_bus)
            .is_ok_and(|answer| answer.contains("true")))
    })
    .with_context(log)?;
    root.login(&format!(
        "DISPLAY={display} DBUS_SESSION_BUS_ADDRESS=$(cat bus) timeout 60 coracle-app"
    ))
    .with_context(log)?;
    wait("the window", || {
        Ok(root.login("test -d .coracle/app/page").is_ok())
    })
    .with_context(log)
}

/// A container of an image that was loaded, with a volume, on a port of the host.
fn main_job(root: &Root, page: &Page) -> Result<()> {
    root.login("coracle start --cpus 2 --memory 1GiB")?;
    root.login("docker --context coracle load --quiet --input busybox.tar")?;
    root.login("docker --context coracle compose version")?;
    root.login(&format!(
        "docker --context coracle run --detach --name page --publish {}:80 --volume kept:/srv \
         coracle-sample/busybox sh -c 'echo kept >/srv/index.html; exec httpd -f -p 80 -h /srv'",
        page.port
    ))?;
    page.expect("kept")
}

/// Docker's default socket leads to the user's engine once root agrees. There is nobody to ask here: what the user is
/// told then is what root does.
fn default_socket(root: &Root, with_vm: bool) -> Result<()> {
    let Err(refused) = root.login("coracle default-socket on") else {
        bail!("a user has changed /var/run");
    };
    let refused = format!("{refused:#}");
    let as_root = refused.split('`').find(|part| part.contains(" --for "));
    root.run(as_root.with_context(|| refused.clone())?)?;
    let found = root.login("coracle default-socket status --json")?;
    for part in ["\"leads\": \"here\"", "\"after_boot\": true"] {
        ensure!(found.contains(part), "{found}");
    }
    // Nothing is left to ask root for.
    root.login("coracle default-socket on")?;
    // In a terminal sudo asks, and root's part is a copy of the command.
    for (verb, leads) in [("off", "nowhere"), ("on", "here")] {
        root.login(&format!(
            "script --quiet --return --command 'coracle default-socket {verb}' /dev/null"
        ))?;
        let found = root.login("coracle default-socket status --json")?;
        ensure!(found.contains(&format!("\"{leads}\"")), "{found}");
    }
    if with_vm {
        root.login("docker --host unix:///var/run/docker.sock version")?;
    }
    Ok(())
}

/// No file but those of other packages, and none at all where everything was the package's.
fn nothing_is_left(root: &Root, before: &[String], owned: &str) -> Result<()> {
    let owned: BTreeSet<_> = owned.lines().collect();
    let others: BTreeSet<_> = before.iter().map(String::as_str).collect();
    let after = root.files()?;
    let is_ours = |path: &str| owned.contains(path) && path.contains("coracle");
    let left: Vec<_> = after
        .iter()
        .filter(|path| !others.contains(path.as_str()) || is_ours(path))
        .collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

/// What a container serves on a port of the host.
struct Page {
    port: u16,
}

impl Page {
    /// On a port that is free now.
    fn new() -> Result<Self> {
        let port = TcpListener::bind("0.0.0.0:0")?.local_addr()?.port();
        Ok(Self { port })
    }

    fn expect(&self, text: &str) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/", self.port);
        wait(&format!("{url} to say {text}"), || {
            let Ok(mut answer) = ureq::get(&url).call() else {
                return Ok(false);
            };
            Ok(answer.body_mut().read_to_string()?.trim() == text)
        })
    }
}

fn wait(what: &str, mut is_there: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_there()? {
        if began.elapsed() > PATIENCE {
            bail!("waited {} s in vain for {what}", PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(300));
    }
    Ok(())
}
