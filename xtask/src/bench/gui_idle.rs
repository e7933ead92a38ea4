//! `gui-idle`: what the app takes in the tray, and with its window.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use coracle_vm_harness::{Coracle, Live, process};

use super::Bench;
use super::daemon_idle::processor_time;
use super::figure::{Better, Figure, Quantity, Side, in_turn};
use super::stage::Stage;
use crate::process::{inherit, progress};
use crate::{apt, checkout, page};

pub(super) const BENCH: Bench = Bench {
    name: "gui-idle",
    about: "The app beside a daemon whose VM runs, with nothing to do: processor time of all its processes in \
            percent of one core and their memory, in the tray without a window; their memory \
            with the window. Memory is the proportional set size: what processes share counts once. The peer is headless Chromium \
            with one empty page, in the place of an Electron shell; and the limits that we set ourselves.",
    run,
};

/// Highest share of a core in the tray, in percent.
const CPU_LIMIT: f64 = 0.5;

/// Most memory with the window, in MB.
const MEMORY_LIMIT: f64 = 250.0;

/// Time after a start, so that what it set off has ended.
const SETTLE: Duration = Duration::from_secs(15);

/// Length of one sample.
const SAMPLE: Duration = Duration::from_secs(12);

const PEER: &str = "chromium --headless=new --no-sandbox --user-data-dir=… about:blank";

/// Programs that a person would see, were there somebody.
struct Screen<'a> {
    coracle: &'a Coracle,
    display: String,
    address: String,
    // In the order in which they end.
    _bus: Live,
    _server: Live,
}

impl<'a> Screen<'a> {
    fn new(coracle: &'a Coracle) -> Result<Self> {
        let server = ["-displayfd", "1", "-screen", "0", "1280x900x24"];
        let server = coracle.program("Xvfb").args(server);
        let mut server = Live::start(server.args(["-nolisten", "tcp"]))?;
        let number = server.line(|line| line.parse::<u32>().is_ok())?;
        let bus = ["--session", "--nofork", "--nopidfile", "--print-address"];
        let mut bus = Live::start(coracle.program("dbus-daemon").args(bus))?;
        let address = bus.line(|line| line.starts_with("unix:"))?;
        Ok(Self {
            coracle,
            display: format!(":{number}"),
            address,
            _bus: bus,
            _server: server,
        })
    }

    /// The app, when it has come to rest.
    fn app(&self, arguments: &[&str]) -> Result<Live> {
        let app = self.coracle.places().programs.join("coracle-app");
        let app = self.coracle.program(app).args(arguments);
        let app = app
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("XDG_RUNTIME_DIR", self.coracle.work("runtime")?)
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env_remove("WAYLAND_DISPLAY");
        at_rest(Live::start(app)?)
    }
}

fn run(stage: &Stage) -> Result<Vec<Figure>> {
    apt::ensure(apt::APP)?;
    apt::ensure(apt::GUI_TESTS)?;
    page::build()?;
    progress("bench", "building the app for release");
    inherit(
        Command::new(env!("CARGO"))
            // As a package has it.
            .args(["build", "--quiet", "--release", "--package", "coracle-app"])
            .args(["--package", "coracled", "--package", "coracle-cli"])
            .current_dir(checkout::root()?),
    )?;
    let coracle = stage.running()?;
    let screen = Screen::new(coracle)?;
    let profile = coracle.work("chromium")?;
    let empty = ["--headless=new", "--no-sandbox", "about:blank"];
    let empty = coracle.program("chromium").args(empty);
    let empty = empty.arg(format!("--user-data-dir={}", profile.display()));
    let chromium = at_rest(Live::start(empty)?)?;

    let (app, peer) = (screen.app(&["--tray"])?, &chromium);
    let shares = beside(stage, &app, peer, share)?;
    let in_tray = beside(stage, &app, peer, memory)?;
    drop(app);
    let app = screen.app(&[])?;
    let with_window = beside(stage, &app, peer, memory)?;
    Ok([
        figures("in the tray, processor", "% of a core", shares, CPU_LIMIT),
        figures("in the tray, memory", "MB", in_tray, MEMORY_LIMIT),
        figures("with its window, memory", "MB", with_window, MEMORY_LIMIT),
    ]
    .into_iter()
    .flatten()
    .collect())
}

fn at_rest(mut program: Live) -> Result<Live> {
    thread::sleep(SETTLE);
    anyhow::ensure!(program.is_running()?, "{program:?} has ended");
    Ok(program)
}

/// Samples of both, in turn.
fn beside(
    stage: &Stage,
    ours: &Live,
    peer: &Live,
    measure: fn(u32) -> Result<f64>,
) -> Result<[Vec<f64>; 2]> {
    let mut sides: Vec<Side<'_>> = Vec::new();
    for (name, id) in [("the app", ours.id()), ("chromium", peer.id())] {
        sides.push((name, Box::new(move || measure(id))));
    }
    let mut samples = in_turn(stage.runs, &mut sides)?.into_iter();
    Ok([(); 2].map(|()| samples.next().unwrap_or_default()))
}

/// Percent of one core that a process and its descendants take.
fn share(id: u32) -> Result<f64> {
    let (began, before) = (Instant::now(), spent(id)?);
    thread::sleep(SAMPLE);
    let spent = spent(id)?.saturating_sub(before);
    Ok(100.0 * spent.as_secs_f64() / began.elapsed().as_secs_f64())
}

fn spent(id: u32) -> Result<Duration> {
    family(id).map(processor_time).sum()
}

/// MB of a process and its descendants.
fn memory(id: u32) -> Result<f64> {
    let bytes: u64 = family(id).map(process::proportional).sum::<Result<_>>()?;
    Ok(bytes as f64 / 1e6)
}

fn family(id: u32) -> impl Iterator<Item = u32> {
    [id].into_iter().chain(process::descendants(id))
}

/// Beside the peer, and beside the limit.
fn figures(
    variant: &'static str,
    unit: &'static str,
    [ours, peer]: [Vec<f64>; 2],
    limit: f64,
) -> [Figure; 2] {
    let quantity = Quantity {
        bench: BENCH.name,
        variant,
        unit,
        better: Better::Lower,
    };
    let limits = vec![limit; ours.len()];
    [
        Figure {
            quantity,
            ours: ours.clone(),
            peer,
            peer_name: "chromium",
            peer_commands: PEER.into(),
            goal: 1.0,
        },
        Figure {
            quantity,
            ours,
            peer: limits,
            peer_name: "limit",
            peer_commands: format!("# at most {limit} {unit}"),
            goal: 1.0,
        },
    ]
}
