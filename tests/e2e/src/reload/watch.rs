use std::fs;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, eventually, http};
use serde_json::Value;

use crate::images;
use crate::suite::contains;

/// `coracle watch` on a server that reads the saved file anew, and on one that is restarted.
pub(super) fn each_step_of_a_save_is_shown(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let folder = coracle.work("reload-watch")?;
    fs::write(folder.join("index.html"), "page 0\n")?;
    let mount = format!("{}:/app:ro", folder.display());
    let run = |name: &str, label: &str, script: &str| {
        let options = ["--name", name, "--label", label, "--volume", &mount];
        let command = ["--publish=127.0.0.1::80", image, "sh", "-c", script];
        coracle.background(options.iter().chain(&command))
    };
    let serve = "exec httpd -f -p 80 -h";
    run("reading", "nothing=1", &format!("{serve} /app"))?;
    // Ends at once when it is told to.
    let restarted = format!("trap exit TERM; rm -rf /copy; cp -r /app /copy; {serve} /copy & wait");
    run("restarted", "dev.coracle.reload=restart", &restarted)?;

    let watch = || Live::start(coracle.coracle(["watch", "--json", "reading", "restarted"]));
    eventually("both have pages", || {
        let line: Value = serde_json::from_str(&watch()?.line(|_| true)?)?;
        let containers = line["containers"].as_array().context("no list")?;
        containers.iter().try_for_each(|one| {
            let address = one["addresses"][0].as_str().context("no address yet")?;
            http::get(address, "/").map(drop)
        })
    })?;
    let mut watch = watch()?;
    // The port of the one that is restarted is another one then; steps of two containers come in any
    // order.
    let mut come: Vec<Value> = Vec::new();
    let mut step = |name: &str, container: &str| -> Result<Value> {
        loop {
            let wanted = |one: &&Value| one["step"] == name && one.to_string().contains(container);
            if let Some(found) = come.iter().find(wanted) {
                return Ok(found.clone());
            }
            come.push(serde_json::from_str(&watch.line(|_| true)?)?);
        }
    };
    let watching = step("watching", "")?;
    let containers = watching["containers"].as_array().context("no list")?;
    ensure!(containers.len() == 2, "{watching}");
    let address = containers[0]["addresses"][0].as_str().unwrap_or_default();
    ensure!(address.starts_with("127.0.0.1:"), "{watching}");
    fs::write(folder.join("index.html"), "page 1\n")?;
    let delivered = step("delivered", "reading")?;
    let path = folder.join("index.html");
    ensure!(
        delivered["paths"] == serde_json::json!([path]),
        "{delivered}"
    );
    let told = delivered["delivered_ms"].as_f64().unwrap_or_default();
    ensure!(told > 0.0 && delivered["seen_ms"].is_f64(), "{delivered}");
    let answered = step("answered", "reading")?;
    ensure!(answered["save"] == delivered["save"], "{answered}");
    let after = answered["answered_ms"].as_f64().unwrap_or_default();
    let slowest = answered["slowest_ms"].as_f64().unwrap_or_default();
    ensure!(after >= told && after >= slowest, "{answered}");
    let reloaded = step("reloaded", "restarted")?;
    ensure!(
        reloaded["action"] == "restart" && reloaded["error"].is_null(),
        "{reloaded}"
    );
    let answered = step("answered", "restarted")?;
    ensure!(answered["slowest"] != "delivery", "{answered}");

    // For people, and only of what was named.
    let mut watch = Live::start(coracle.coracle(["watch", "reading"]).dir(&folder))?;
    watch.line(|line| line.starts_with("Watching reading, http://127.0.0.1:"))?;
    watch.line(|line| line.contains("Save a file"))?;
    fs::write(folder.join("index.html"), "page 2\n")?;
    let line = watch.line(|line| line.contains("delivered in"))?;
    contains(&line, &["index.html: seen after ", " ms to reading"])?;
    let line = watch.line(|line| line.contains("new answer at http://127.0.0.1:"))?;
    contains(&line, &["  reading: ", " took "])?;

    let refused = coracle.coracle(["watch", "nonsense"]).refused()?;
    contains(&refused, &["no container or service nonsense", "docker ps"])
}
