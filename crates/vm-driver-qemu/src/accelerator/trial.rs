//! Runs the test guest under an accelerator, for a few seconds at most.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::time::timeout;

use super::{Accelerator, guest};
use crate::host::Qemu;
use crate::process::{Process, Program};

/// A fast accelerator needs a fifth of a second.
const BOUND: Duration = Duration::from_secs(5);

/// Tries KVM; the error says in half a sentence what happened.
pub(super) async fn run(qemu: &Qemu, state_dir: &Path) -> Result<(), String> {
    run_under(Accelerator::Kvm, qemu, state_dir).await
}

async fn run_under(accelerator: Accelerator, qemu: &Qemu, state_dir: &Path) -> Result<(), String> {
    let disk = state_dir.join("accelerator-trial.raw");
    let log = state_dir.join("accelerator-trial.log");
    let started = match write_disk(&disk) {
        Ok(()) => {
            let mut args = arguments(accelerator, &disk.to_string_lossy());
            args.push("-machine".into());
            args.push(format!("{},memory-backend=memory", qemu.machine.machine));
            Process::spawn(Program {
                path: qemu.program.clone(),
                args,
                inherit: Vec::new(),
                log: log.clone(),
            })
            .await
        }
        Err(error) => Err(error),
    };
    let result = match started {
        Ok(process) => watch(&process, BOUND).await,
        Err(error) => Err(format!("the test guest could not be started: {error}")),
    };
    for file in [disk, log] {
        // What could not be made need not be removed.
        let _ = fs::remove_file(file);
    }
    result
}

async fn watch(process: &Process, bound: Duration) -> Result<(), String> {
    match timeout(bound, process.wait()).await {
        Ok(status) => judge(status, &process.last_words()),
        Err(_) => {
            process.kill();
            // A process that hangs in the kernel even against SIGKILL is left to its thread.
            let _ = timeout(Duration::from_secs(2), process.wait()).await;
            Err(format!("a test guest did not end within {bound:?}"))
        }
    }
}

fn judge(status: ExitStatus, last_words: &str) -> Result<(), String> {
    if status.code() == Some(guest::EXIT_CODE) {
        return Ok(());
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("QEMU ended with code {code}"),
        (None, Some(signal)) => format!("QEMU ended by signal {signal}"),
        (None, None) => "QEMU ended".into(),
    };
    let words: String = last_words.chars().take(300).collect();
    Err(format!("a test guest failed: {how}: {words}"))
}

fn write_disk(disk: &Path) -> io::Result<()> {
    let mut file = File::create(disk)?;
    file.write_all(guest::program())?;
    // The BIOS boots from no disk that is smaller than a cylinder.
    file.set_len(1 << 20)
}

fn arguments(accelerator: Accelerator, disk: &str) -> Vec<String> {
    let disk = disk.replace(',', ",,");
    let drive =
        format!("driver=raw,node-name=disk,read-only=on,file.driver=file,file.filename={disk}");
    let fixed = [
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-m",
        "64M",
        "-object",
        "memory-backend-memfd,id=memory,size=64M,share=on",
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=4",
        "-device",
        "virtio-blk-pci,drive=disk",
        "-blockdev",
        &drive,
    ];
    let accelerator = accelerator.options().iter();
    let accelerator = accelerator.flat_map(|&(name, value)| [name, value]);
    accelerator.chain(fixed).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_exit_code_is_a_pass() {
        let status = |raw| ExitStatus::from_raw(raw);
        assert_eq!(judge(status(guest::EXIT_CODE << 8), ""), Ok(()));
        let why = |raw| judge(status(raw), "assertion failed").unwrap_err();
        assert!(why(0).contains("code 0"));
        assert!(why(3 << 8).contains("code 3: assertion failed"));
        assert!(why(6).contains("signal 6"));
    }

    #[tokio::test]
    async fn a_test_guest_that_hangs_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::spawn(Program {
            path: "/bin/sleep".into(),
            args: vec!["1000".into()],
            inherit: Vec::new(),
            log: dir.path().join("log"),
        });
        let process = process.await.unwrap();
        let why = watch(&process, Duration::from_millis(20))
            .await
            .unwrap_err();
        assert!(why.contains("did not end within 20ms"), "{why}");
        assert_eq!(process.wait().await.signal(), Some(9));
    }

    /// Needs QEMU, and not KVM: shows that the test guest itself is right.
    #[tokio::test]
    async fn the_test_guest_passes_under_emulation() {
        let Ok(qemu) = Qemu::find().await else {
            eprintln!("skipped: no QEMU on this host");
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        run_under(Accelerator::Tcg, &qemu, dir.path())
            .await
            .unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
