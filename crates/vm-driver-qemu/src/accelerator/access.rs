//! Whether this user may use KVM at all. Not remembered: a new group membership counts at once.

use std::fs::File;
use std::io;

/// What opening `/dev/kvm` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Granted,
    /// With the reason and the remedy.
    Refused(String),
}

pub(super) fn look() -> Access {
    if !cfg!(target_arch = "x86_64") {
        return Access::Refused("KVM is used on x86_64 only so far".into());
    }
    let opened = File::options().read(true).write(true).open("/dev/kvm");
    judge(opened.map(drop))
}

fn judge(opened: io::Result<()>) -> Access {
    match opened.map_err(|error| error.kind()) {
        Ok(()) => Access::Granted,
        Err(io::ErrorKind::PermissionDenied) => Access::Refused(
            "/dev/kvm may not be opened: `sudo usermod -aG kvm $USER`, then log in again".into(),
        ),
        Err(_) => Access::Refused(
            "/dev/kvm is not there: switch virtualization on in the firmware (in a VM: nested \
             virtualization) and load the module kvm_intel or kvm_amd"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_remedy() {
        assert_eq!(judge(Ok(())), Access::Granted);
        let refusal = |kind: io::ErrorKind| match judge(Err(kind.into())) {
            Access::Refused(remedy) => remedy,
            Access::Granted => panic!("granted"),
        };
        assert!(refusal(io::ErrorKind::PermissionDenied).contains("usermod -aG kvm"));
        assert!(refusal(io::ErrorKind::NotFound).contains("firmware"));
    }
}
