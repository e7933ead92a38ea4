//! The voting app as it is: nothing in it knows of debuggers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, Program, eventually, http, patience};
use serde_json::Value;

use super::python;
use super::session::Session;
use crate::images;
use crate::suite::contains;
use crate::suspend::{resume, suspend};

/// One start of the app for all: that takes longest.
pub(super) fn all_three_of_the_voting_app(coracle: &Coracle) -> Result<()> {
    let app = App::up(coracle)?;
    native_worker(coracle, &app)?;
    node_result(coracle, &app)?;
    planted_bug(coracle, &app)?;
    python_vote(coracle, &app)?;
    app.compose()
        .args(["down", "--volumes", "--timeout", "1"])
        .ok()?;
    Ok(())
}

/// A vote for cats is stopped at in the worker and made one for dogs.
fn native_worker(coracle: &Coracle, app: &App) -> Result<()> {
    let session = Session::begin(coracle, "worker")?;
    ensure!(session.runtime() == "native", "{:?}", session.0);
    let sources = session.0["paths"][0]["local"].as_str();
    let sources = sources.context("no folder of sources")?;
    ensure!(sources.ends_with("voting-app/worker"), "{sources}");
    let map = format!("set substitute-path /app {sources}");
    let gdb = session.gdb(
        coracle,
        &[
            &map,
            "break record_vote",
            "echo waiting\\n",
            "continue",
            "backtrace 3",
            "info sharedlibrary",
            "print vote",
            "next 4",
            "print (char *)choice",
            "set var *(char(*)[5])choice = \"dogs\"",
            "print (char *)choice",
            "continue 1",
        ],
    )?;
    // The last command goes on until gdb is ended: the vote is counted meanwhile.
    let mut gdb = Live::start(gdb)?;
    gdb.line(|line| line.contains("waiting"))?;
    app.vote("cats")?;
    gdb.line(|line| line.contains("Breakpoint 1, record_vote"))?;
    gdb.line(|line| line.contains("finish_vote") && line.contains("worker.c:"))?;
    gdb.line(|line| line.contains("libpq.so"))?;
    gdb.line(|line| line.contains("\"cats "))?;
    gdb.line(|line| line.contains("const char *voter = space + 1;"))?;
    gdb.line(|line| line.ends_with("\"cats\""))?;
    gdb.line(|line| line.ends_with("\"dogs\""))?;
    app.tally(0, 1)?;
    drop(gdb);
    // gdb was killed: the worker works on.
    app.vote("cats")?;
    app.tally(1, 1)
}

/// Stops in the handler of a page by the inspector's protocol, and reads what it is about to send.
fn node_result(coracle: &Coracle, app: &App) -> Result<()> {
    let session = Session::begin(coracle, "result")?;
    ensure!(session.runtime() == "node", "{:?}", session.0);
    ensure!(
        session.0["configuration"]["remoteRoot"] == "/app",
        "{:?}",
        session.0
    );
    stop_in_handler(
        coracle,
        app,
        &session,
        &["\"cats\":1", "\"dogs\":1", "\"connected\":true"],
        || suspended_meanwhile(coracle),
    )?;
    // Ended, the process has no inspector any more.
    coracle.coracle(["debug", "stop", "result"]).ok()?;
    eventually("the inspector is closed", || {
        let container = app.compose().args(["ps", "--quiet", "result"]).text()?;
        let sockets = coracle
            .docker(["exec", &container, "cat", "/proc/net/tcp"])
            .text()?;
        // 9229
        ensure!(!sockets.contains(":240D 00000000:0000 0A"), "{sockets}");
        Ok(())
    })?;
    ensure!(http::get(&app.result, "/")?.status == 200, "no page");
    Ok(())
}

/// Stops where a vote is cast, by the debug adapter protocol, and reads it.
fn python_vote(coracle: &Coracle, app: &App) -> Result<()> {
    let session = Session::begin(coracle, "vote")?;
    ensure!(session.runtime() == "python", "{:?}", session.0);
    let sources = app.folder.join("vote");
    let line = line_of(&sources.join("app.py"), "if choice not in CHOICES")?.to_string();
    // Each client finds it again, also after one that was cut off at its breakpoint.
    for cut in [true, false] {
        let local = sources.to_string_lossy();
        let arguments = [
            session.address()?,
            &local,
            "/app",
            "app.py",
            &line,
            "choice",
        ];
        let mut client = Live::start(python::script(coracle, "dap.py", &arguments)?)?;
        client.line(|line| line == "waiting")?;
        if !cut {
            suspended_meanwhile(coracle)?;
        }
        let address = app.vote.clone();
        let page = std::thread::spawn(move || http::post(&address, "/", "vote=dogs"));
        client.line(|line| line.starts_with("stopped in cast") && line.contains("vote/app.py"))?;
        if cut {
            drop(client);
        } else {
            let told = client.line(|line| line.starts_with("value "))?;
            contains(&told, &["'dogs'"])?;
            ensure!(client.wait()?.success(), "the client failed");
        }
        let page = page.join().map_err(|_| anyhow::anyhow!("no page"))??;
        ensure!(page.status == 303, "{page:?}");
    }
    coracle.coracle(["debug", "stop", "vote"]).ok()?;
    let container = app.compose().args(["ps", "--quiet", "vote"]).text()?;
    let left = coracle
        .docker([
            "exec",
            &container,
            "sh",
            "-c",
            "ls -A /dev | grep coracle || true",
        ])
        .text()?;
    ensure!(left.is_empty(), "{left} is left in the container");
    ensure!(http::get(&app.vote, "/")?.status == 200, "no ballot");
    Ok(())
}

/// Stops in the page's handler, reads the totals there, and goes on.
fn stop_in_handler(
    coracle: &Coracle,
    app: &App,
    session: &Session,
    values: &[&str],
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let line = line_of(
        &app.folder.join("result/server.js"),
        "JSON.stringify(totals.now())",
    )?;
    let script = python::script(
        coracle,
        "devtools.py",
        &[
            session.address()?,
            "server.js",
            &line.to_string(),
            "totals.now()",
        ],
    )?;
    let mut devtools = Live::start(script)?;
    devtools.line(|line| line == "waiting")?;
    meanwhile()?;
    let address = app.result.clone();
    let page = std::thread::spawn(move || http::get(&address, "/totals"));
    let told = devtools.line(|line| line.starts_with("value "))?;
    contains(&told, values)?;
    ensure!(devtools.wait()?.success(), "the client failed");
    let page = page.join().map_err(|_| anyhow::anyhow!("no page"))??;
    ensure!(page.status == 200, "{page:?}");
    Ok(())
}

/// The debugger that is attached sees nothing of it.
fn suspended_meanwhile(coracle: &Coracle) -> Result<()> {
    suspend(coracle)?;
    resume(coracle)
}

/// A wrong tally is seen, read at a breakpoint in the page's handler, mended on the host, and right:
/// nothing is built, restarted or attached again by hand.
fn planted_bug(coracle: &Coracle, app: &App) -> Result<()> {
    let file = app.folder.join("result/totals.js");
    let right = fs::read_to_string(&file)?;
    let wrong = right.replace("next[choice] = votes", "next.cats += votes");
    ensure!(wrong != right, "the sample counts in another way now");
    fs::write(&file, wrong)?;
    app.tally(2, 0)?;
    app.vote("dogs")?;
    app.tally(3, 0)?;
    let session = Session::begin(coracle, "result")?;
    let nothing = || Ok(());
    stop_in_handler(
        coracle,
        app,
        &session,
        &["\"cats\":3", "\"dogs\":0"],
        nothing,
    )?;
    fs::write(&file, right)?;
    app.tally(1, 2)?;
    stop_in_handler(
        coracle,
        app,
        &session,
        &["\"cats\":1", "\"dogs\":2"],
        nothing,
    )?;
    coracle.coracle(["debug", "stop", "result"]).ok()?;
    Ok(())
}

/// The number of the line that contains the text, from 1.
fn line_of(file: &Path, text: &str) -> Result<usize> {
    let source = fs::read_to_string(file)?;
    let found = source.lines().position(|line| line.contains(text));
    Ok(found.context("no such line")? + 1)
}

/// The sample in a folder of its own, to be edited.
fn copy(coracle: &Coracle) -> Result<PathBuf> {
    let from = coracle.places().checkout.join("examples/voting-app");
    let folder = coracle.work("debugged-app")?;
    Program::new("cp")
        .arg("--recursive")
        .args([&from, &folder])
        .ok()?;
    Ok(folder.join("voting-app"))
}

struct App<'a> {
    coracle: &'a Coracle,
    folder: PathBuf,
    ports: PathBuf,
    vote: String,
    result: String,
}

impl<'a> App<'a> {
    /// On ports that nobody else on this machine has.
    fn up(coracle: &'a Coracle) -> Result<Self> {
        images::voting_app(coracle)?;
        let ports = coracle.work("debugged")?.join("ports.yaml");
        fs::write(
            &ports,
            "services:\n  vote:\n    ports: !override ['127.0.0.1::8000']\n\
             \x20 result:\n    ports: !override ['127.0.0.1::3000']\n",
        )?;
        let mut app = Self {
            coracle,
            folder: copy(coracle)?,
            ports,
            vote: String::new(),
            result: String::new(),
        };
        app.compose()
            .args(["up", "--detach", "--no-build", "--wait"])
            .limit(4 * patience())
            .ok()?;
        app.vote = app.compose().args(["port", "vote", "8000"]).text()?;
        app.result = app.compose().args(["port", "result", "3000"]).text()?;
        eventually("pages", || {
            ensure!(http::get(&app.vote, "/")?.status == 200, "no ballot");
            ensure!(
                http::get(&app.result, "/healthz")?.status == 200,
                "no result"
            );
            Ok(())
        })?;
        Ok(app)
    }

    fn compose(&self) -> Program {
        let sample = self.folder.join("compose.yaml");
        [&sample, &self.ports].iter().fold(
            self.coracle.compose(["--project-name", "debugged"]),
            |compose, file| compose.arg("--file").arg(file),
        )
    }

    fn vote(&self, choice: &str) -> Result<()> {
        let answer = http::post(&self.vote, "/", &format!("vote={choice}"))?;
        ensure!(answer.status == 303, "{answer:?}");
        Ok(())
    }

    fn tally(&self, cats: u64, dogs: u64) -> Result<()> {
        eventually("the counted votes", || {
            let totals: Value = serde_json::from_slice(&http::get(&self.result, "/totals")?.body)?;
            ensure!(totals["cats"] == cats && totals["dogs"] == dogs, "{totals}");
            Ok(())
        })
    }
}
