//! Who passes bytes on comes before who makes them, as the kernel's own packets do.

use std::io;

use nix::errno::Errno;
use nix::libc;

/// The most that the kernel gives an ordinary process.
const NICENESS: libc::c_int = -20;

/// Has the calling thread come before all others that want a processor; what it starts does not.
pub(crate) fn before_others() {
    if let Err(error) = raise() {
        tracing::warn!(%error, "busy containers delay what passes through the agent");
    }
}

fn raise() -> io::Result<()> {
    let policy = libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK;
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters outlive the call, and 0 is the calling thread.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy, &parameters) })?;
    // SAFETY: a call without pointers; 0 is the calling thread.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) })?;
    Ok(())
}
