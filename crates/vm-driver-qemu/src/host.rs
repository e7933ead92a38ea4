//! What is installed: QEMU for this architecture, and virtiofsd.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use coracle_host_paths::find_program;
use coracle_vm_driver::DriverError;
use tokio::process::Command;
use tokio::time::timeout;

use crate::version::Version;

/// What QEMU may not do once it runs: nothing that a VM needs.
pub(crate) const SANDBOX: &str =
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// The parts that differ by architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) program: &'static str,
    package: &'static str,
    /// The machine type and its options.
    pub(crate) machine: &'static str,
    /// The kernel's name of the first serial port.
    pub(crate) console: &'static str,
}

const X86_64: Machine = Machine {
    program: "qemu-system-x86_64",
    package: "qemu-system-x86",
    machine: "q35,vmport=off,smm=off,sata=off,usb=off",
    console: "ttyS0",
};

const AARCH64: Machine = Machine {
    program: "qemu-system-aarch64",
    package: "qemu-system-arm",
    machine: "virt,gic-version=max",
    console: "ttyAMA0",
};

impl Machine {
    /// The one for the architecture that this program was built for.
    pub(crate) const fn here() -> Self {
        if cfg!(target_arch = "aarch64") {
            AARCH64
        } else {
            X86_64
        }
    }
}

/// An installed QEMU that is new enough.
#[derive(Clone, Debug)]
pub(crate) struct Qemu {
    pub(crate) program: PathBuf,
    pub(crate) version: Version,
    pub(crate) machine: Machine,
    /// Whether it was built with the system call filter.
    pub(crate) sandbox: bool,
}

impl Qemu {
    pub(crate) async fn find() -> Result<Self, DriverError> {
        let machine = Machine::here();
        let program = find_program(machine.program).ok_or_else(|| {
            DriverError::Missing(format!(
                "{} is not installed: install the package {}",
                machine.program, machine.package
            ))
        })?;
        // Options are looked at in order: this fails where the filter is not built in.
        let with_sandbox = output(&program, &["-sandbox", SANDBOX, "-version"]).await;
        let sandbox = with_sandbox.is_ok();
        let printed = match with_sandbox {
            Ok(printed) => printed,
            Err(_) => output(&program, &["-version"]).await?,
        };
        let version = Version::of_qemu(&printed)
            .filter(|version| version.at_least(8, 2))
            .ok_or_else(|| {
                let found = printed.lines().next().unwrap_or_default();
                DriverError::Missing(format!(
                    "{} is too old ({found}): QEMU 8.2 or newer is needed, better 10.0 \
                     (Debian 12: install {} from bookworm-backports)",
                    program.display(),
                    machine.package
                ))
            })?;
        Ok(Self {
            program,
            version,
            machine,
            sandbox,
        })
    }
}

/// An installed virtiofsd that is new enough to translate user ids.
#[derive(Clone, Debug)]
pub(crate) struct Virtiofsd {
    pub(crate) program: PathBuf,
    pub(crate) version: Version,
}

impl Virtiofsd {
    /// Whether it can tell its successor which files the guest has open, and who of them has gone.
    pub(crate) fn can_be_suspended(&self) -> bool {
        self.version.at_least(1, 13)
    }
}

/// Looks for it.
pub(crate) async fn find_virtiofsd() -> Result<Virtiofsd, DriverError> {
    const REMEDY: &str = "install the package virtiofsd, version 1.11 or newer";
    let program = find_program("virtiofsd")
        .ok_or_else(|| DriverError::Missing(format!("virtiofsd is not installed: {REMEDY}")))?;
    let printed = output(&program, &["--version"]).await?;
    match Version::of_virtiofsd(&printed) {
        Some(version) if version.at_least(1, 11) => Ok(Virtiofsd { program, version }),
        _ => Err(DriverError::Missing(format!(
            "{} is too old ({}): {REMEDY}",
            program.display(),
            printed.lines().next().unwrap_or_default()
        ))),
    }
}

/// What QEMU and its tools tell only in words.
pub(crate) fn cause(words: &str) -> io::Error {
    match words.contains("No space left on device") {
        true => io::ErrorKind::StorageFull.into(),
        false => io::Error::other(words.to_owned()),
    }
}

async fn output(program: &PathBuf, args: &[&str]) -> Result<String, DriverError> {
    const BOUND: Duration = Duration::from_secs(20);
    let run = Command::new(program).args(args).kill_on_drop(true).output();
    let output = timeout(BOUND, run)
        .await
        .map_err(|_| DriverError::Timeout {
            what: "the question for its version",
            after: BOUND,
        })?
        .map_err(|source| DriverError::Io {
            context: format!("cannot run {}", program.display()),
            source,
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(DriverError::Missing(format!(
            "{} does not work: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    }
}
