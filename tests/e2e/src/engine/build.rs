use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, Program};

use crate::images;
use crate::suite::contains;

pub(super) fn build(coracle: &Coracle) -> Result<()> {
    builds(
        coracle,
        "built-plain",
        coracle.docker(["build", "--progress=plain"]),
    )
}

pub(super) fn build_with_the_old_builder(coracle: &Coracle) -> Result<()> {
    builds(
        coracle,
        "built-old",
        coracle.docker(["build"]).env("DOCKER_BUILDKIT", "0"),
    )
}

/// Two stages, an argument, an ignored file, a command that runs.
fn builds(coracle: &Coracle, name: &str, program: Program) -> Result<()> {
    let image = images::busybox(coracle)?;
    let work = coracle.work(name)?;
    let dockerfile = format!(
        "FROM {image} AS first\nARG WORD\nCOPY . /context/\n\
         RUN echo $WORD >/word && ls /context >/list\n\
         FROM {image}\nCOPY --from=first /word /list /\nCMD cat /word /list\n"
    );
    fs::write(work.join("Dockerfile"), dockerfile)?;
    fs::write(work.join(".dockerignore"), "ignored\n")?;
    fs::write(work.join("ignored"), "x")?;
    fs::write(work.join("kept"), "x")?;
    program
        .args(["--tag", name, "--build-arg", "WORD=spoken"])
        .arg(&work)
        .ok()?;
    let text = coracle.docker(["run", "--rm", name]).text()?;
    contains(&text, &["spoken", "kept"])?;
    ensure!(!text.contains("ignored"), "the build saw the ignored file");
    Ok(())
}

pub(super) fn buildx_with_a_secret(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let work = coracle.work("secret")?;
    let secret = "a-word-that-must-not-stay";
    fs::write(work.join("token"), secret)?;
    let context = work.join("context");
    fs::create_dir(&context)?;
    let dockerfile = format!(
        "FROM {image}\nRUN --mount=type=secret,id=token sha256sum </run/secrets/token >/sum\n"
    );
    fs::write(context.join("Dockerfile"), dockerfile)?;
    coracle
        .docker([
            "buildx",
            "build",
            "--load",
            "--tag",
            "with-secret",
            "--secret",
        ])
        .arg(format!("id=token,src={}", work.join("token").display()))
        .arg(&context)
        .ok()?;
    let sum = coracle
        .docker(["run", "--rm", "with-secret", "cat", "/sum"])
        .text()?;
    contains(&sum, &[&sha256(coracle, &work.join("token"))?])?;
    let left = coracle
        .docker(["run", "--rm", "with-secret", "ls", "-A", "/run/secrets"])
        .run()?;
    ensure!(left.stdout.is_empty(), "the image holds {}", left.text());
    let saved = coracle.docker(["save", "with-secret"]).ok()?.stdout;
    ensure!(
        !saved
            .windows(secret.len())
            .any(|part| part == secret.as_bytes()),
        "the image holds it"
    );
    Ok(())
}

pub(super) fn buildx_with_an_ssh_agent(coracle: &Coracle) -> Result<()> {
    let image = images::voting_app(coracle)?;
    let work = coracle.work("ssh")?;
    let key = work.join("key");
    let comment = "the key of this test";
    Program::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(&key)
        .ok()?;
    // A socket's path must be short, and this one is of the test's own agent.
    let socket = coracle.home().join("agent.sock");
    let agent = Program::new("ssh-agent").args(["-D", "-a"]).arg(&socket);
    let _agent = Live::start(agent)?;
    coracle_vm_harness::eventually("an ssh agent", || {
        Program::new("ssh-add")
            .arg(&key)
            .env("SSH_AUTH_SOCK", &socket)
            .ok()
    })?;
    let context = work.join("context");
    fs::create_dir(&context)?;
    let dockerfile = format!(
        "FROM {image}\nUSER root\nCOPY ask.py /\nRUN --mount=type=ssh python3 /ask.py >/keys\n"
    );
    fs::write(context.join("Dockerfile"), dockerfile)?;
    fs::copy(
        coracle.places().checkout.join("tests/python/ask_agent.py"),
        context.join("ask.py"),
    )
    .context("tests/python/ask_agent.py")?;
    coracle
        .docker([
            "buildx", "build", "--load", "--tag", "with-ssh", "--ssh", "default",
        ])
        .arg(&context)
        .env("SSH_AUTH_SOCK", &socket)
        .ok()?;
    let keys = coracle
        .docker(["run", "--rm", "with-ssh", "cat", "/keys"])
        .text()?;
    contains(&keys, &[comment])
}

fn sha256(coracle: &Coracle, file: &Path) -> Result<String> {
    let text = coracle.program("sha256sum").arg(file).text()?;
    Ok(text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}
