use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, Live, Program, eventually, http};

use crate::images;
use crate::suite::contains;

const PROJECT: &str = "\
services:
  web:
    build: .
    command: [httpd, -f, -v, -p, '80', -h, /www]
    ports: ['127.0.0.1::80']
    volumes: ['./data:/data', 'kept:/kept']
    develop:
      watch:
        - {action: sync, path: ./www, target: /www}
  other:
    image: coracle-sample/busybox
    command: [sh, -c, 'until wget -q -O - http://web/; do sleep 1; done; sleep 1000']
volumes:
  kept:
";

/// A project of two services; returns its folder.
fn project(coracle: &Coracle, name: &str) -> Result<PathBuf> {
    let image = images::busybox(coracle)?;
    let folder = coracle.work(name)?;
    fs::write(folder.join("compose.yaml"), PROJECT)?;
    fs::write(
        folder.join("Dockerfile"),
        format!("FROM {image}\nCOPY www /www\n"),
    )?;
    fs::create_dir(folder.join("www"))?;
    fs::write(folder.join("www/index.html"), "the first page\n")?;
    fs::create_dir(folder.join("data"))?;
    fs::write(folder.join("data/note"), "from the host")?;
    Ok(folder)
}

fn address(compose: Program, service: &str, port: &str) -> Result<String> {
    compose.args(["port", service, port]).text()
}

pub(super) fn project_up_logs_exec_down(coracle: &Coracle) -> Result<()> {
    let folder = project(coracle, "compose")?;
    runs(
        coracle,
        || coracle.compose(["--project-directory"]).arg(&folder),
        "compose",
    )
}

pub(super) fn standalone_command(coracle: &Coracle) -> Result<()> {
    let folder = project(coracle, "standalone")?;
    runs(
        coracle,
        || coracle.docker_compose(["--project-directory"]).arg(&folder),
        "standalone",
    )
}

fn runs(coracle: &Coracle, compose: impl Fn() -> Program, name: &str) -> Result<()> {
    compose().args(["up", "--detach", "--build"]).ok()?;
    let web = address(compose(), "web", "80")?;
    eventually("the page", || {
        let page = http::get(&web, "/")?;
        ensure!(page.text() == "the first page\n", "{page:?}");
        Ok(())
    })?;
    // The other service finds this one by its name.
    let mut logs = Live::start(compose().args(["logs", "--follow", "--no-color", "other"]))?;
    logs.line(|line| line.contains("the first page"))?;
    drop(logs);
    let note = compose()
        .args(["exec", "-T", "web", "cat", "/data/note"])
        .text()?;
    ensure!(note == "from the host", "the bind mount has {note}");
    contains(&compose().args(["ps"]).text()?, &["web", "other", "Up"])?;
    compose()
        .args(["down", "--volumes", "--timeout", "1", "--rmi", "local"])
        .ok()?;
    let filter = format!("label=com.docker.compose.project={name}");
    for kind in ["container", "network", "volume"] {
        let left = coracle
            .docker([kind, "ls", "--quiet", "--filter", &filter])
            .text()?;
        ensure!(left.is_empty(), "a {kind} is left: {left}");
    }
    ensure!(http::get(&web, "/").is_err(), "{web} still answers");
    Ok(())
}

/// As files were written before networks had names of their own.
pub(super) fn version_2_file_with_links(coracle: &Coracle) -> Result<()> {
    images::busybox(coracle)?;
    let folder = coracle.work("links")?;
    let text = "version: '2'\n\
        services:\n\
        \x20 web:\n\
        \x20   image: coracle-sample/busybox\n\
        \x20   command: [httpd, -f, -p, '80', -h, /etc]\n\
        \x20 asking:\n\
        \x20   image: coracle-sample/busybox\n\
        \x20   mem_limit: 64m\n\
        \x20   links: ['web:other-name']\n\
        \x20   command: [sh, -c, 'until wget -q -O - http://other-name/passwd; do sleep 1; done; sleep 1000']\n";
    fs::write(folder.join("docker-compose.yml"), text)?;
    let compose = || coracle.compose(["--project-directory"]).arg(&folder);
    compose().args(["up", "--detach"]).ok()?;
    let mut logs = Live::start(compose().args(["logs", "--follow", "--no-color", "asking"]))?;
    logs.line(|line| line.contains("root:x:0:0"))?;
    drop(logs);
    compose().args(["down", "--timeout", "1"]).ok()?;
    Ok(())
}

pub(super) fn watch(coracle: &Coracle) -> Result<()> {
    let folder = project(coracle, "watch")?;
    let compose = || coracle.compose(["--project-directory"]).arg(&folder);
    compose().args(["up", "--detach", "--build"]).ok()?;
    let mut watch = Live::start(compose().args(["watch", "--no-up"]))?;
    watch.line(|line| line.to_lowercase().contains("watch"))?;
    let web = address(compose(), "web", "80")?;
    let mut number = 0;
    // The watcher says that it begins, not that it has begun: edit until it sees one.
    eventually("the edited page", || {
        number += 1;
        fs::write(folder.join("www/index.html"), format!("edited, {number}"))?;
        std::thread::sleep(std::time::Duration::from_secs(2));
        let page = http::get(&web, "/")?.text();
        ensure!(page.starts_with("edited"), "the page is {page:?}");
        Ok(())
    })?;
    drop(watch);
    compose()
        .args(["down", "--volumes", "--timeout", "1", "--rmi", "local"])
        .ok()?;
    Ok(())
}

/// As the demo runs it, but on ports that nobody else on this machine has.
pub(super) fn voting_app(coracle: &Coracle) -> Result<()> {
    images::voting_app(coracle)?;
    let work = coracle.work("voting")?;
    let ports = work.join("ports.yaml");
    fs::write(
        &ports,
        "services:\n  vote:\n    ports: !override ['127.0.0.1::8000']\n\
         \x20 result:\n    ports: !override ['127.0.0.1::3000']\n",
    )?;
    let sample = coracle
        .places()
        .checkout
        .join("examples/voting-app/compose.yaml");
    let compose = || {
        let files: [&Path; 2] = [&sample, &ports];
        files.iter().fold(
            coracle.compose(["--project-name", "voting-test"]),
            |compose, file| compose.arg("--file").arg(file),
        )
    };
    compose()
        .args(["up", "--detach", "--no-build", "--wait"])
        .limit(4 * coracle_vm_harness::patience())
        .ok()?;
    let vote = address(compose(), "vote", "8000")?;
    let result = address(compose(), "result", "3000")?;
    eventually("a page that votes", || {
        let page = http::get(&vote, "/")?;
        ensure!(page.status == 200, "{page:?}");
        contains(&page.text(), &["cats", "dogs"])
    })?;
    let answer = http::post(&vote, "/", "vote=dogs")?;
    ensure!(answer.status == 303, "{answer:?}");
    eventually("the counted vote", || {
        let totals: serde_json::Value =
            serde_json::from_slice(&http::get(&result, "/totals")?.body)?;
        ensure!(totals["dogs"] == 1 && totals["cats"] == 0, "{totals}");
        Ok(())
    })?;
    ensure!(
        http::get(&result, "/")?.status == 200,
        "no page that counts"
    );
    compose()
        .args(["down", "--volumes", "--timeout", "1"])
        .ok()?;
    Ok(())
}
