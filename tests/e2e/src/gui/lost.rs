//! A daemon that does not answer, and is there again.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::desktop::Desktop;

/// Goes on when dropped, so that a failed test leaves no daemon that hangs.
struct Stopped(Pid);

impl Stopped {
    fn new(id: u32) -> Result<Self> {
        let id = Pid::from_raw(id as i32);
        kill(id, Signal::SIGSTOP)?;
        Ok(Self(id))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

pub(super) fn a_daemon_that_hangs(coracle: &Coracle) -> Result<()> {
    let desktop = Desktop::new(coracle)?;
    let (page, tray) = desktop.with_window()?;
    page.until_text("[data-testid=state]", "Running")?;
    let stopped = Stopped::new(coracle.daemon()?)?;
    eventually("the error in the tray", || tray.shows("error"))?;
    super::menu::find(&tray.menu()?, &["Coracle: the daemon does not answer"])?;
    page.until_text("[data-testid=state]", "The daemon does not answer")?;
    page.until("[data-testid=notice]")?;
    drop(stopped);
    page.until_text("[data-testid=state]", "Running")?;
    eventually("a tray that runs again", || tray.offers(&["Suspend"]))?;
    coracle.await_running()?;
    Ok(())
}

pub(super) fn a_daemon_that_is_killed(coracle: &Coracle) -> Result<()> {
    let desktop = Desktop::new(coracle)?;
    let (page, tray) = desktop.with_window()?;
    page.until_text("[data-testid=state]", "Running")?;
    process::kill(coracle.daemon()?)?;
    page.until_text("[data-testid=notice]", "The daemon does not run.")?;
    eventually("the tray without a daemon", || tray.shows("stopped"))?;
    let notified = desktop.notified()?;
    ensure!(notified.starts_with("The daemon has ended"), "{notified}");
    // The app starts the daemon and the VM.
    page.click("header button:nth-of-type(1)")?;
    page.until_text("[data-testid=state]", "Running")?;
    eventually("a tray that runs", || tray.offers(&["Suspend"]))?;
    coracle.await_running()?;
    Ok(())
}

pub(super) fn a_daemon_of_a_newer_version(coracle: &Coracle) -> Result<()> {
    let desktop = Desktop::new(coracle)?;
    let (page, tray) = desktop.with_window()?;
    page.until_text("[data-testid=state]", "Running")?;
    process::kill(coracle.daemon()?)?;
    page.until_text("[data-testid=notice]", "The daemon does not run.")?;
    let socket = coracle.paths().daemon_socket();
    let _ = fs::remove_file(&socket);
    let newer = UnixListener::bind(&socket)?;
    thread::spawn(move || introduce(&newer));
    page.until_text(
        "[data-testid=notice]",
        "The daemon 99.0.0 speaks version 99",
    )?;
    desktop.picture("newer-daemon")?;
    eventually("the error in the tray", || tray.shows("error"))?;
    super::menu::find(
        &tray.menu()?,
        &["Coracle: the daemon is of another version"],
    )?;

    fs::remove_file(&socket)?;
    page.until_text("[data-testid=notice]", "The daemon does not run.")?;
    // By somebody else: the app finds it by itself.
    coracle.coracle(["start"]).ok()?;
    page.until_text("[data-testid=state]", "Running")?;
    eventually("a tray that runs", || tray.offers(&["Suspend"]))?;
    coracle.await_running()?;
    Ok(())
}

/// The hello of a daemon that this app cannot know yet, to everyone, whatever they ask.
fn introduce(listener: &UnixListener) {
    let hello = r#"{"api":99,"version":"99.0.0","pid":1}"#;
    for client in listener.incoming() {
        let Ok(mut client) = client else { return };
        let _ = client.read(&mut [0; 4096]);
        let length = hello.len();
        let _ = write!(
            client,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{hello}"
        );
    }
}
