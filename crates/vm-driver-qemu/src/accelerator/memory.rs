//! What was found out about KVM, in a small file.

use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::sys::utsname::uname;
use serde::{Deserialize, Serialize};

use crate::host::Qemu;

/// How far KVM may be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kvm")]
pub(super) enum Trust {
    /// The test guest ran.
    Passed,
    /// A real guest ran.
    Proven,
    /// A guest failed.
    Failed {
        /// How, in half a sentence.
        why: String,
    },
}

/// The file, `accelerator.json`.
pub(super) struct Memory {
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Record {
    /// The host that the answer is for.
    host: String,
    #[serde(flatten)]
    trust: Trust,
}

/// The host as far as the answer depends on it: QEMU, kernel, processor.
pub(super) fn key(qemu: &Qemu) -> String {
    let kernel = uname().map_or_else(
        |_| String::new(),
        |name| name.release().to_string_lossy().into_owned(),
    );
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu_model(&cpuinfo);
    format!("QEMU {}, Linux {kernel}, {cpu}", qemu.version)
}

fn cpu_model(cpuinfo: &str) -> &str {
    cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim())
}

impl Memory {
    pub(super) fn in_dir(state_dir: &Path) -> Self {
        Self {
            file: state_dir.join("accelerator.json"),
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The answer for this host; none if there is no file, or it cannot be read.
    pub(super) fn recall(&self, key: &str) -> Option<Trust> {
        let text = fs::read(&self.file).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        (record.host == key).then_some(record.trust)
    }

    /// Replaces the answer. Where that fails, the next start tries again.
    pub(super) fn remember(&self, key: &str, trust: &Trust) {
        if let Err(error) = self.write(key, trust) {
            tracing::warn!(file = %self.file.display(), %error, "cannot remember the accelerator");
        }
    }

    fn write(&self, key: &str, trust: &Trust) -> io::Result<()> {
        let record = Record {
            host: key.into(),
            trust: trust.clone(),
        };
        let new = self.file.with_extension("json.new");
        fs::write(&new, serde_json::to_vec_pretty(&record)?)?;
        fs::rename(new, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_its_host_alone() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::in_dir(dir.path());
        assert_eq!(memory.recall("a"), None);
        let failed = Trust::Failed {
            why: "it hung".into(),
        };
        for trust in [Trust::Passed, Trust::Proven, failed] {
            memory.remember("a", &trust);
            assert_eq!(memory.recall("a"), Some(trust));
        }
        assert_eq!(memory.recall("b"), None);
        fs::write(memory.file(), "{\"host\": \"a\", \"kvm\": \"maybe\"}").unwrap();
        assert_eq!(memory.recall("a"), None);
    }

    #[test]
    fn the_processor_is_named_by_its_model() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nflags : fpu\n";
        assert_eq!(cpu_model(cpuinfo), "AMD EPYC");
        assert_eq!(cpu_model(""), "unknown processor");
    }
}
