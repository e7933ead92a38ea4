use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, Program, eventually, http};

use crate::images;

/// A page can be served before its server's reloader is ready for the next save.
const SETTLED: Duration = Duration::from_secs(5);

const APP: &str = "\
import flask
app = flask.Flask(__name__)
@app.get('/')
def page(): return 'page 0'
";

const SERVER: &str = "\
const { text } = require('./text');
require('node:http').createServer((_, response) => response.end(text)).listen(80);
";

/// Flask's own reloader and watchdog's, which Flask takes if it is there, `node --watch` and `tail
/// --follow`, none of them told to poll.
pub(super) fn programs_that_watch_reload_by_themselves(coracle: &Coracle) -> Result<()> {
    images::voting_app(coracle)?;
    let folder = coracle.work("reload-watching")?;
    fs::write(folder.join("app.py"), APP)?;
    fs::write(folder.join("server.js"), SERVER)?;
    fs::write(folder.join("text.js"), "exports.text = 'page 0';\n")?;
    fs::write(folder.join("log"), "line 0\n")?;
    let environment = coracle.places().programs.join("../python/lib");
    let packages = fs::read_dir(&environment)?.next();
    let packages = packages.context("no Python in the environment")??.path();
    let watchdog = packages.join("site-packages/watchdog");
    ensure!(watchdog.is_dir(), "`cargo xtask test` installs watchdog");
    // From a folder that is shared.
    let copied = folder.join("packages");
    fs::create_dir(&copied)?;
    let copy = Program::new("cp").arg("--recursive");
    copy.args([&watchdog, &copied]).ok()?;
    let mount = format!("{}:/app:ro", folder.display());
    let run = |options: &[&str], image: &str, command: &str| {
        let options = options.iter().copied().chain([
            "--volume",
            &mount,
            "--workdir=/app",
            "--publish=127.0.0.1::80",
            image,
        ]);
        coracle.background(options.chain(command.split(' ')))
    };
    let flask = "flask --app app run --debug --host 0.0.0.0 --port 80";
    let plain = run(&[], images::VOTE, flask)?;
    let by_watchdog = run(&["--env=PYTHONPATH=/app/packages"], images::VOTE, flask)?;
    let node = run(&[], images::RESULT, "node --watch server.js")?;
    let tail = run(&[], images::VOTE, "tail -n +1 --follow=name log")?;
    coracle.await_log(&by_watchdog, "Restarting with watchdog")?;
    let shows = |container: &str, text: &str| {
        let address = coracle.docker(["port", container, "80"]).text()?;
        eventually(text, || {
            let page = http::get(&address, "/")?;
            ensure!(page.text() == text, "{page:?}");
            Ok(())
        })
    };
    let mut lines = Live::start(coracle.docker(["logs", "--follow", &tail]))?;
    for number in 0..3 {
        let text = format!("page {number}");
        if number > 0 {
            // A reloader hears nothing until it has heard from its new child what to watch.
            std::thread::sleep(SETTLED);
            // As many editors save.
            let saved = folder.join(".app.py");
            fs::write(&saved, APP.replace("page 0", &text))?;
            fs::rename(&saved, folder.join("app.py"))?;
            // In place: natively too, node hears of a file that is replaced only the first time.
            let saved = format!("exports.text = '{text}';\n");
            fs::write(folder.join("text.js"), saved)?;
            let mut log = fs::read_to_string(folder.join("log"))?;
            log.push_str(&format!("line {number}\n"));
            fs::write(folder.join("log"), log)?;
        }
        for container in [&plain, &by_watchdog, &node] {
            shows(container, &text)?;
        }
        lines.line(|line| line == format!("line {number}"))?;
    }
    Ok(())
}
