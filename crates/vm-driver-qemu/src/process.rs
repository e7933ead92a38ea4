//! Children that never outlive us.
//!
//! Each child is spawned by a thread of its own, which then waits for it: Linux
//! sends the "parent died" signal when the spawning *thread* ends, so a thread of a
//! pool would end the VM at some odd moment. A child is the leader of a process
//! group; what it forks is killed with it, and Ctrl-C at our terminal does not reach it.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io, thread};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getpid, getppid};
use tokio::sync::{oneshot, watch};

/// A program to run.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    /// Descriptors that it inherits under their own numbers; closed here afterwards.
    pub(crate) inherit: Vec<OwnedFd>,
    /// What it prints, made anew.
    pub(crate) log: PathBuf,
}

/// A running child. Dropping it kills it.
pub(crate) struct Process {
    pid: Pid,
    log: PathBuf,
    reaped: Arc<Mutex<bool>>,
    exited: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Returns when the program has been executed.
    pub(crate) async fn spawn(program: Program) -> io::Result<Self> {
        let log = program.log.clone();
        let (spawned, pid) = oneshot::channel();
        let (report, exited) = watch::channel(None);
        let reaped = Arc::new(Mutex::new(false));
        let seen = reaped.clone();
        thread::Builder::new()
            .name("vm-process".into())
            .spawn(move || match execute(program) {
                Ok(child) => {
                    let pid = Pid::from_raw(child.id() as i32);
                    // With nobody to own the child (start was given up), it goes at once.
                    if spawned.send(Ok(pid)).is_err() {
                        let _ = killpg(pid, Signal::SIGKILL);
                    }
                    let _ = report.send(Some(reap(child, pid, &seen)));
                }
                Err(error) => drop(spawned.send(Err(error))),
            })?;
        let pid = pid
            .await
            .map_err(|_| io::Error::other("the thread that starts it ended"))??;
        Ok(Self {
            pid,
            log,
            reaped,
            exited,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Kills it and what it has forked; does nothing when it is gone.
    pub(crate) fn kill(&self) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        // While the lock is held and the child is not reaped, its id is still its own.
        if !*reaped {
            let _ = killpg(self.pid, Signal::SIGKILL);
        }
    }

    /// Waits until it is gone. May be called any number of times.
    pub(crate) async fn wait(&self) -> ExitStatus {
        let mut exited = self.exited.clone();
        let status = exited.wait_for(Option::is_some).await;
        match status.as_deref() {
            Ok(Some(status)) => *status,
            // The waiting thread is gone without a word; so is the child, by its signal.
            _ => ExitStatus::default(),
        }
    }

    /// The end of what it printed, on one line.
    pub(crate) fn last_words(&self) -> String {
        let printed = fs::read(&self.log).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&printed))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn last_lines(printed: &str) -> String {
    const LINES: usize = 5;
    let lines: Vec<_> = printed
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join("; ")
}

fn execute(program: Program) -> io::Result<Child> {
    let log = File::create(&program.log)?;
    let parent = getpid();
    let numbers: Vec<_> = program.inherit.iter().map(AsRawFd::as_raw_fd).collect();
    let mut command = Command::new(&program.path);
    command
        .args(&program.args)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let inherit = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the line above.
        if getppid() != parent {
            return Err(Errno::ESRCH.into());
        }
        // No core dump with the guest's whole memory; and many files, as a file server needs.
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        for &number in &numbers {
            // SAFETY: `program.inherit` keeps the descriptor open until after the spawn.
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls and allocates nothing.
    unsafe { command.pre_exec(inherit) };
    command.spawn()
}

fn reap(mut child: Child, pid: Pid, reaped: &Mutex<bool>) -> ExitStatus {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while let Err(Errno::EINTR) = waitid(Id::Pid(pid), flags) {}
    let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
    // Not reaped yet, so the group's id cannot have become another's.
    let _ = killpg(pid, Signal::SIGKILL);
    let status = child.wait().unwrap_or_default();
    *reaped = true;
    status
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn shell(dir: &tempfile::TempDir, script: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            inherit: Vec::new(),
            log: dir.path().join("log"),
        }
    }

    #[tokio::test]
    async fn a_child_is_killed_with_what_it_forked() {
        let dir = tempfile::tempdir().unwrap();
        let script = "sleep 1000 & echo $!; wait";
        let process = Process::spawn(shell(&dir, script)).await.unwrap();
        let forked = loop {
            match process.last_words().parse::<i32>() {
                Ok(pid) => break Pid::from_raw(pid),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        };
        process.kill();
        assert_eq!(process.wait().await.signal(), Some(9));
        process.kill();
        // Its new parent may take a moment to reap it.
        while nix::sys::signal::kill(forked, None).is_ok() && !is_zombie(forked) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    fn is_zombie(pid: Pid) -> bool {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_child_inherits_only_what_it_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let number = |fd: &dyn AsRawFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
        let (kept, given) = (number(&ours), number(&theirs));
        let test = format!("test -S {given} && ! test -e {kept}");
        let mut program = shell(&dir, &test);
        program.inherit.push(theirs.into());
        let process = Process::spawn(program).await.unwrap();
        assert!(process.wait().await.success());
        // Nothing of the other end was left here.
        assert_eq!(io::read_to_string(ours).unwrap(), "");
    }

    #[test]
    fn last_words_are_the_last_lines() {
        assert_eq!(last_lines("1\n\n2\n3\n4\n5\n 6 \n"), "2; 3; 4; 5; 6");
        assert_eq!(last_lines(""), "");
    }
}
