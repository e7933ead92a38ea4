//! `event-latency`: from a save on the host to the watching program in a container.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, eventually};

use super::Bench;
use super::figure::{Better, Figure, Quantity, in_turn, median};
use super::files::{IMAGE, TOOL, container, started};
use super::stage::Stage;

pub(super) const BENCH: Bench = Bench {
    name: "event-latency",
    about: "Milliseconds from the end of a write on the host to the line that a watching program in a \
            container prints on the event: ours beside an agent that sets the file's times (Lima's way) or \
            its mode (Colima's way) when the host's watcher tells it, and beside compose watch. The watching \
            program is the same, and so is the way of its line. `own` is how long the daemon keeps an event \
            before it is on its way.",
    run,
};

/// How long an event may stay in our own code on the host, in ms.
const OWN_LIMIT: f64 = 5.0;

/// Saves in a sample: of compose watch fewer, which collects them for half a second.
const SAVES: usize = 40;
const SLOW_SAVES: usize = 8;

/// Between two saves, so that each is one of its own.
const PAUSE: Duration = Duration::from_millis(100);

/// Files to save, one after the other.
const FILES: usize = 20;

const COMPOSE: &str = "\
services:
  synced:
    build: .
    init: true
    command: [sleep, '100000']
    volumes: ['TOOL:/tool:ro']
    develop:
      watch:
        - {action: sync, path: ./src, target: /watched}
";

fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let coracle = started(stage, &["/work/chtimes/", "/work/chmod/", "/work/synced/"])?;
    let ours = Way::mounted(&coracle, "ours", "close-write", None)?;
    let touched = Way::mounted(&coracle, "chtimes", "attrib", Some("touch"))?;
    let chmodded = Way::mounted(&coracle, "chmod", "attrib", Some("chmod"))?;
    let synced = Way::synced(&coracle)?;
    let ways = [&ours, &touched, &chmodded, &synced];
    let mut sides =
        ways.map(|way| -> super::figure::Side<'_> { (way.name, Box::new(|| way.sample())) });
    in_turn(stage.runs, &mut sides)?;
    drop(sides);
    let own = own(&fs::read_to_string(coracle.paths().daemon_log())?)?;
    let mut figures = Vec::new();
    for way in &ways[1..] {
        for (variant, share) in [("p50", 0.5), ("p99", 0.99)] {
            figures.push(Figure {
                quantity: milliseconds(variant),
                ours: ours.of_each_run(share),
                peer: way.of_each_run(share),
                peer_name: way.name,
                peer_commands: way.commands.clone(),
                goal: 1.0,
            });
        }
    }
    figures.push(Figure {
        quantity: milliseconds("own"),
        peer: vec![OWN_LIMIT; own.len()],
        ours: own,
        peer_name: "limit",
        peer_commands: format!("# at most {OWN_LIMIT} ms"),
        goal: 1.0,
    });
    Ok(figures)
}

fn milliseconds(variant: &'static str) -> Quantity {
    Quantity {
        bench: BENCH.name,
        variant,
        unit: "ms",
        better: Better::Lower,
    }
}

/// How long each event was in the daemon, in ms, as it says itself.
fn own(log: &str) -> Result<Vec<f64>> {
    let all: Vec<f64> = log
        .lines()
        .filter(|line| line.contains("file events are told"))
        .filter_map(|line| {
            line.split("kept_micros=")
                .nth(1)?
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .map(|micros: f64| micros / 1000.0)
        .collect();
    ensure!(
        all.len() >= SAVES,
        "the daemon's log tells of {} events",
        all.len()
    );
    Ok(all)
}

/// One way of an edit to a watching program.
struct Way {
    name: &'static str,
    /// Where files are saved.
    folder: PathBuf,
    saves: usize,
    watcher: RefCell<Live>,
    next: Cell<usize>,
    /// In ms, a list for each run.
    taken: RefCell<Vec<Vec<f64>>>,
    commands: String,
    /// What brings the edits in, if not we.
    _means: Option<Means>,
}

enum Means {
    Relay { _watcher: Killed, _agent: Killed },
    Compose { _watch: Live },
}

/// Ended when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Way {
    /// By a bind mount. An `agent` in the guest does what the tool's verb says for each file that the
    /// host's watcher names.
    fn mounted(
        coracle: &Coracle,
        name: &'static str,
        kind: &str,
        agent: Option<&str>,
    ) -> Result<Self> {
        let folder = folder(&coracle.work(name)?)?;
        let id = container(coracle, &format!("{}:/watched", folder.display()))?;
        let watcher = watcher(coracle, &id, kind)?;
        let (means, commands) = match agent {
            None => (None, String::new()),
            Some(verb) => {
                let host = coracle.program("python3");
                let host = host.arg(super::files::tool(coracle)).arg("watch");
                let mut host = host.arg(&folder).arg("close-write").into_command();
                let mut host = host.stdout(Stdio::piped()).spawn()?;
                let names = host.stdout.take().context("no names")?;
                let host = Killed(host);
                let agent = ["exec", "--interactive", &id, "python3", "-u", TOOL, verb];
                let mut agent = coracle.docker(agent).arg("/watched").into_command();
                let agent = Killed(agent.stdin(names).spawn()?);
                let means = Means::Relay {
                    _watcher: host,
                    _agent: agent,
                };
                let commands = format!(
                    "python3 files.py watch FOLDER close-write |\n    docker exec --interactive \
                     CONTAINER python3 -u files.py {verb} /watched"
                );
                (Some(means), commands)
            }
        };
        Self::ready(name, folder, SAVES, watcher, means, commands)
    }

    /// By compose watch into the container's own folder.
    fn synced(coracle: &Coracle) -> Result<Self> {
        let project = coracle.work("synced")?;
        let tool = super::files::tool(coracle);
        let text = COMPOSE.replace("TOOL", &tool.with_file_name("").to_string_lossy());
        fs::write(project.join("compose.yaml"), text)?;
        let image = format!("FROM {IMAGE}\nUSER root\nCOPY src /watched\n");
        fs::write(project.join("Dockerfile"), image)?;
        fs::create_dir(project.join("src"))?;
        let folder = folder(&project.join("src"))?;
        let compose = || coracle.compose(["--project-directory"]).arg(&project);
        compose().args(["up", "--detach", "--build"]).ok()?;
        let id = compose().args(["ps", "--quiet", "synced"]).text()?;
        let watcher = watcher(coracle, &id, "synced")?;
        let watch = Live::start(compose().args(["watch", "--no-up"]))?;
        let means = Some(Means::Compose { _watch: watch });
        let commands = format!("{COMPOSE}# docker compose watch --no-up");
        Self::ready(
            "compose-watch",
            folder,
            SLOW_SAVES,
            watcher,
            means,
            commands,
        )
    }

    /// When edits arrive.
    fn ready(
        name: &'static str,
        folder: PathBuf,
        saves: usize,
        watcher: Live,
        means: Option<Means>,
        commands: String,
    ) -> Result<Self> {
        let way = Self {
            name,
            folder,
            saves,
            watcher: RefCell::new(watcher),
            next: Cell::new(0),
            taken: RefCell::default(),
            commands,
            _means: means,
        };
        let mut watcher = way.watcher.borrow_mut();
        eventually(name, || {
            let file = way.save()?;
            thread::sleep(Duration::from_secs(1));
            watcher.line_now(|line| line == file).map(drop)
        })?;
        // What else is on its way.
        thread::sleep(Duration::from_secs(3));
        drop(watcher);
        Ok(way)
    }

    /// Saves the next file; its name.
    fn save(&self) -> Result<String> {
        let number = self.next.replace(self.next.get() + 1);
        let name = format!("file-{}", number % FILES);
        fs::write(self.folder.join(&name), format!("{number:1000}"))?;
        Ok(name)
    }

    /// One run; its median.
    fn sample(&self) -> Result<f64> {
        let mut watcher = self.watcher.borrow_mut();
        let mut taken = Vec::new();
        for _ in 0..self.saves {
            let name = self.save()?;
            let saved = Instant::now();
            watcher.line(|line| line == name)?;
            taken.push(saved.elapsed().as_secs_f64() * 1000.0);
            thread::sleep(PAUSE);
        }
        let middle = median(&taken);
        self.taken.borrow_mut().push(taken);
        Ok(middle)
    }

    /// For each run the time in which this share of its saves had arrived.
    fn of_each_run(&self, share: f64) -> Vec<f64> {
        let taken = self.taken.borrow();
        let of = |run: &Vec<f64>| {
            let mut sorted = run.clone();
            sorted.sort_by(f64::total_cmp);
            sorted[((sorted.len() as f64 * share).ceil() as usize).max(1) - 1]
        };
        taken.iter().map(of).collect()
    }
}

/// With the files in it.
fn folder(path: &Path) -> Result<PathBuf> {
    for number in 0..FILES {
        fs::write(path.join(format!("file-{number}")), "new")?;
    }
    Ok(path.to_owned())
}

fn watcher(coracle: &Coracle, id: &str, kind: &str) -> Result<Live> {
    let watch = ["exec", id, "python3", "-u", TOOL, "watch", "/watched", kind];
    let mut live = Live::start(coracle.docker(watch))?;
    live.line(|line| line == "ready")?;
    Ok(live)
}
