//! `cargo xtask demo`: from a clean clone to a page that votes and a page that counts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{inherit, output, progress};
use crate::{apt, checkout, image, samples, tools};

const VOTE: &str = "http://localhost:8080/";
const RESULT: &str = "http://localhost:8081/";

/// How long the app may take after its containers run, before the demonstration gives up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Builds what is missing, runs the sample and casts a vote.
pub(crate) fn run() -> Result<()> {
    let began = Instant::now();
    let root = checkout::root()?;
    // At once, for who has to type the line, and without what only tests need.
    apt::ensure(&[apt::VM, apt::TOOLS, apt::IMAGE, apt::PYTHON, apt::SAMPLES].concat())?;
    build()?;
    tools::run(&tools::Options::default())?;
    image::run(&image::Options::default())?;
    samples::run(&samples::Options::default())?;

    let coracle = Coracle::new()?;
    coracle.share(&root)?;
    coracle.start()?;
    let docker = Docker::new(&coracle)?;
    docker.load_missing(&root)?;
    let app = root.join("examples/voting-app");
    progress("demo", "docker compose up");
    docker.compose(
        &app,
        &[
            "up",
            "--detach",
            "--wait",
            "--wait-timeout",
            "300",
            "--no-build",
        ],
    )?;

    progress("demo", "casting a vote");
    let before = total()?;
    vote()?;
    let after = wait_for_more(before)?;
    println!(
        "\nThe voting app runs ({:.0} s, {after} vote(s) counted):\n\
         \n  vote    {VOTE}\n  result  {RESULT}\n\
         \nEdit examples/voting-app/vote/templates/index.html and reload the page.\n\
         \nUse the engine:     docker --context {context} ps\
         \nStop the app:       docker --context {context} compose -f {file} down\
         \nStop the VM:        {coracle} stop --quit",
        began.elapsed().as_secs_f32(),
        context = docker.context,
        file = app.join("compose.yaml").display(),
        coracle = coracle.program.display(),
    );
    Ok(())
}

fn build() -> Result<()> {
    progress("demo", "building the daemon and the command");
    inherit(
        Command::new(env!("CARGO"))
            .args(["build", "--package", "coracled", "--package", "coracle-cli"])
            .current_dir(checkout::root()?),
    )
}

/// The command that was just built.
struct Coracle {
    program: PathBuf,
}

impl Coracle {
    fn new() -> Result<Self> {
        let program = checkout::target()?.join("debug/coracle");
        Ok(Self { program })
    }

    fn run(&self, args: &[&str]) -> Result<String> {
        output(Command::new(&self.program).args(args))
    }

    /// Adds the checkout to the shared folders if no shared folder holds it.
    fn share(&self, folder: &Path) -> Result<()> {
        let text = self.run(&["--json", "config", "get", "shares"])?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .with_context(|| format!("`coracle config get` answered {text}"))?;
        // Either the bare value or the setting that carries it.
        let list = value.get("value").unwrap_or(&value);
        let mut shares: Vec<String> = serde_json::from_value(list.clone())
            .context("the setting `shares` is not a list of folders")?;
        let folder = folder.canonicalize().context("the checkout is gone")?;
        if shares.iter().any(|share| folder.starts_with(share)) {
            return Ok(());
        }
        shares.push(folder.display().to_string());
        progress("demo", &format!("sharing {} with the VM", folder.display()));
        let shares = serde_json::to_string(&shares)?;
        self.run(&["config", "set", "shares", &shares])?;
        let status = self.run(&["--json", "status"]).unwrap_or_default();
        if status.contains("\"running\"") {
            inherit(Command::new(&self.program).arg("restart"))?;
        }
        Ok(())
    }

    fn start(&self) -> Result<()> {
        inherit(Command::new(&self.program).arg("start"))
    }
}

/// The docker CLI, pointed at our context.
struct Docker {
    program: PathBuf,
    context: String,
}

impl Docker {
    fn new(coracle: &Coracle) -> Result<Self> {
        let program = tools::docker()?;
        let status: serde_json::Value = serde_json::from_str(&coracle.run(&["--json", "status"])?)?;
        let socket = status["engine_socket"]
            .as_str()
            .context("the status names no engine socket")?;
        let wanted = format!("unix://{socket}");
        let contexts = output(Command::new(&program).args([
            "context",
            "ls",
            "--format",
            "{{.Name}} {{.DockerEndpoint}}",
        ]))?;
        let context = contexts
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(_, endpoint)| *endpoint == wanted)
            .map(|(name, _)| name.to_owned())
            .context("`coracle start` made no docker context: run it again without --no-context")?;
        Ok(Self { program, context })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--context", &self.context]);
        command
    }

    /// Loads the sample's images unless the engine has them already.
    fn load_missing(&self, root: &Path) -> Result<()> {
        let archive = checkout::target()?.join("samples/voting-app.tar");
        let config = output(
            self.command().args([
                "compose",
                "--file",
                &root
                    .join("examples/voting-app/compose.yaml")
                    .display()
                    .to_string(),
                "config",
                "--images",
            ]),
        )?;
        let present = output(
            self.command()
                .args(["image", "ls", "--format", "{{.Repository}}"]),
        )?;
        if config
            .lines()
            .all(|image| present.lines().any(|have| have == image))
        {
            return Ok(());
        }
        progress("demo", "loading the sample's images");
        inherit(
            self.command()
                .arg("load")
                .arg("--quiet")
                .arg("--input")
                .arg(archive),
        )
    }

    fn compose(&self, folder: &Path, args: &[&str]) -> Result<()> {
        inherit(
            self.command()
                .arg("compose")
                .arg("--file")
                .arg(folder.join("compose.yaml"))
                .args(args),
        )
    }
}

/// Votes counted so far, once the page that counts is connected to its database.
fn total() -> Result<u64> {
    retry(|| {
        let totals: serde_json::Value = serde_json::from_str(&get(&format!("{RESULT}totals"))?)?;
        if totals["connected"] != true {
            bail!("the result page has no database yet");
        }
        Ok(totals["cats"].as_u64().unwrap_or(0) + totals["dogs"].as_u64().unwrap_or(0))
    })
}

fn vote() -> Result<()> {
    retry(|| {
        ureq::post(VOTE)
            .send_form([("vote", "cats")])
            .context("the vote was not taken")?;
        Ok(())
    })
}

fn wait_for_more(before: u64) -> Result<u64> {
    retry(|| match total()? {
        now if now > before => Ok(now),
        now => bail!("the vote is not counted yet ({now} so far)"),
    })
}

fn get(url: &str) -> Result<String> {
    let mut response = ureq::get(url)
        .call()
        .with_context(|| format!("{url} does not answer"))?;
    Ok(response.body_mut().read_to_string()?)
}

/// The app's programs come up one after the other: tries until it works or patience ends.
fn retry<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        match attempt() {
            Err(_) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(500)),
            outcome => return outcome,
        }
    }
}
