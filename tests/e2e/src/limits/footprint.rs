use std::fmt;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, eventually, process};

/// What daemon and guest agent hold on to.
#[derive(Clone, Debug)]
pub(super) struct Footprint {
    daemon: Process,
    agent: Process,
    listeners: usize,
    /// Stand-ins of the engine's userland proxy in the guest.
    stand_ins: u64,
}

#[derive(Clone, Copy, Debug)]
struct Process {
    descriptors: u64,
    resident: u64,
}

/// Prints four numbers: the agent's descriptors, its memory in kB, stand-ins, and zombies.
const IN_GUEST: &str = "
set -- $(ls /proc/1/fd | wc -l) $(sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/1/status)
n=0; z=0
for p in /proc/[0-9]*; do
  case \"$(tr '\\0' ' ' <$p/cmdline 2>/dev/null)\" in *coracle-docker-proxy*) n=$((n+1));; esac
  case \"$(cut -d' ' -f3 $p/stat 2>/dev/null)\" in Z) z=$((z+1));; esac
done
echo $1 $2 $n $z";

impl Footprint {
    /// Takes it now.
    pub(super) fn of(coracle: &Coracle) -> Result<Self> {
        let id = coracle.daemon()?;
        let text = coracle
            .coracle(["shell", "--", "sh", "-c", IN_GUEST])
            .text()?;
        let numbers: Vec<u64> = text
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("no numbers in {text:?}"))?;
        let [descriptors, resident, stand_ins, _] = numbers[..] else {
            anyhow::bail!("other numbers in {text:?}");
        };
        Ok(Self {
            daemon: Process {
                descriptors: process::descriptors(id)? as u64,
                resident: process::resident(id)?,
            },
            agent: Process {
                descriptors,
                resident: resident << 10,
            },
            listeners: process::listeners(id)?.len(),
            stand_ins,
        })
    }

    /// How many ports the daemon listens on.
    pub(super) fn listeners(&self) -> usize {
        self.listeners
    }

    /// Waits until nothing counted is more than it was, and memory not much: an allocator may keep
    /// some, but not in proportion to what was done.
    pub(super) fn await_return(&self, coracle: &Coracle) -> Result<Self> {
        eventually("what was held to be let go", || {
            let now = Self::of(coracle)?;
            let told = || format!("{now}; it was {self}");
            ensure!(now.listeners <= self.listeners, "{}", told());
            ensure!(now.stand_ins <= self.stand_ins, "{}", told());
            for (now, before) in [(now.daemon, self.daemon), (now.agent, self.agent)] {
                ensure!(now.descriptors <= before.descriptors, "{}", told());
                let most = before.resident + before.resident / 4 + (2 << 20);
                ensure!(now.resident <= most, "{}", told());
            }
            Ok(now)
        })
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = |process: Process| {
            format!(
                "{} descriptors, {:.1} MiB",
                process.descriptors,
                process.resident as f64 / (1 << 20) as f64
            )
        };
        write!(
            f,
            "daemon {}, agent {}, {} listeners, {} stand-ins",
            process(self.daemon),
            process(self.agent),
            self.listeners,
            self.stand_ins
        )
    }
}
