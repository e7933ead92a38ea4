//! Which accelerator to trust.
//!
//! That `/dev/kvm` opens says little: under some nested hypervisors QEMU aborts, a
//! guest ends in "emulation failure", or it hangs with a busy core. So KVM is tried in two
//! steps, and the answer remembered for this QEMU, kernel and processor:
//!
//! ```text
//!   unknown ──test guest passes──► Passed ──first real guest prints──► Proven
//!      │                             │                                   │
//!      └───test guest fails───► Failed ◄──────"KVM internal error"───────┘
//! ```
//!
//! `Failed` means TCG from then on, with a note that says why and what to do.

mod access;
mod guest;
mod memory;
mod trial;

use std::path::{Path, PathBuf};

use access::Access;
use memory::{Memory, Trust};
use tokio::sync::Mutex;

use crate::host::Qemu;

/// The emulated processor: all that QEMU can do, but for the features that tell kernel and libc
/// to copy and to clear memory by `rep movsb` and `rep stosb`. QEMU executes these byte by
/// byte; without them copies are three times as fast, and clears more than ten times.
#[cfg(target_arch = "x86_64")]
const EMULATED: &str = "max,erms=off,fsrm=off,fzrm=off,fsrs=off,fsrc=off";
#[cfg(not(target_arch = "x86_64"))]
const EMULATED: &str = "max";

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// The processor itself.
    Kvm,
    /// QEMU's translation to host instructions.
    Tcg,
}

impl Accelerator {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// Its part of the command line.
    pub(crate) fn options(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Kvm => &[("-accel", "kvm"), ("-cpu", "host")],
            Self::Tcg => &[("-accel", "tcg,thread=multi"), ("-cpu", EMULATED)],
        }
    }
}

/// What to use now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) accelerator: Accelerator,
    /// Whether a real guest has yet to show that it runs.
    pub(crate) unproven: bool,
    /// Why it is not the fast one.
    pub(crate) note: Option<String>,
}

/// The answer, kept in a folder between runs.
pub(crate) struct Accelerators {
    state_dir: PathBuf,
    // Also keeps two trials from running at once.
    memory: Mutex<Memory>,
}

impl Accelerators {
    pub(crate) fn new(state_dir: &Path) -> Self {
        let memory = Memory::in_dir(state_dir);
        Self {
            state_dir: state_dir.into(),
            memory: Mutex::new(memory),
        }
    }

    /// Tries KVM if this was not done before on such a host; takes seconds then.
    pub(crate) async fn choose(&self, qemu: &Qemu) -> Choice {
        let memory = self.memory.lock().await;
        let access = access::look();
        let key = memory::key(qemu);
        let mut trust = memory.recall(&key);
        if access == Access::Granted && trust.is_none() {
            let found = match trial::run(qemu, &self.state_dir).await {
                Ok(()) => Trust::Passed,
                Err(why) => Trust::Failed { why },
            };
            tracing::info!(?found, "tried KVM with a test guest");
            memory.remember(&key, &found);
            trust = Some(found);
        } else if let Some(Trust::Failed { why }) = &trust {
            tracing::info!(why, "KVM is not used");
        }
        decide(&access, trust, memory.file())
    }

    /// A real guest has run on KVM.
    pub(crate) async fn proven(&self, qemu: &Qemu) {
        let memory = self.memory.lock().await;
        memory.remember(&memory::key(qemu), &Trust::Proven);
    }

    /// A real guest has failed on KVM.
    pub(crate) async fn failed(&self, qemu: &Qemu, why: &str) {
        let memory = self.memory.lock().await;
        tracing::warn!(why, "KVM is not used any more");
        memory.remember(&memory::key(qemu), &Trust::Failed { why: why.into() });
    }
}

fn decide(access: &Access, trust: Option<Trust>, file: &Path) -> Choice {
    let why = match (access, trust) {
        (Access::Granted, Some(Trust::Proven)) => return kvm(false),
        (Access::Granted, Some(Trust::Passed)) => return kvm(true),
        (Access::Granted, Some(Trust::Failed { .. })) => format!(
            "KVM does not run a guest on this host (`coracle logs daemon` says how it failed); \
             delete {} to try it again",
            file.display()
        ),
        (Access::Granted, None) => "KVM was not tried".into(),
        (Access::Refused(remedy), _) => remedy.clone(),
    };
    Choice {
        accelerator: Accelerator::Tcg,
        unproven: false,
        note: Some(format!("software emulation, many times slower: {why}")),
    }
}

fn kvm(unproven: bool) -> Choice {
    Choice {
        accelerator: Accelerator::Kvm,
        unproven,
        note: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(access: &Access, trust: Option<Trust>) -> Choice {
        decide(access, trust, Path::new("/state/accelerator.json"))
    }

    #[test]
    fn kvm_is_used_only_after_a_guest_ran_on_it() {
        let granted = Access::Granted;
        assert_eq!(with(&granted, Some(Trust::Proven)), kvm(false));
        assert_eq!(with(&granted, Some(Trust::Passed)), kvm(true));
        assert_eq!(with(&granted, None).accelerator, Accelerator::Tcg);
        let why = "emulation failure".to_owned();
        let failed = with(&granted, Some(Trust::Failed { why }));
        assert_eq!(failed.accelerator, Accelerator::Tcg);
        let note = failed.note.unwrap();
        assert!(!note.contains("emulation failure"), "{note}");
        assert!(note.contains("/state/accelerator.json"), "{note}");
    }

    #[test]
    fn without_access_the_remedy_is_told_whatever_is_remembered() {
        let refused = Access::Refused("join the group kvm".into());
        for trust in [None, Some(Trust::Proven)] {
            let choice = with(&refused, trust);
            assert_eq!(choice.accelerator, Accelerator::Tcg);
            assert!(choice.note.unwrap().contains("join the group kvm"));
        }
    }
}
