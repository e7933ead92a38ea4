//! What a person should hear of although no window is open. Pure.

use coracle_daemon_api::VmState;

use crate::view::{Link, View};

/// What went wrong between two moments, a sentence each with what to do.
pub(super) fn sound(before: &View, now: &View) -> Vec<String> {
    if before.daemon != now.daemon {
        let lost = match &now.daemon {
            Link::Gone { .. } if held_a_vm(before) => {
                Some("The daemon has ended, and with it the VM. Start starts both again.")
            }
            Link::Silent { message } | Link::Foreign { message } => Some(message.as_str()),
            _ => None,
        };
        return lost.into_iter().map(str::to_owned).collect();
    }
    let (Some(earlier), Some(status)) = (&before.status, &now.status) else {
        return Vec::new();
    };
    match status.vm.state {
        VmState::Failed if earlier.vm.state != VmState::Failed => {
            let error = status.vm.last_error.as_ref();
            vec![error.map_or("The VM has failed.".into(), |error| error.message.clone())]
        }
        state if state != VmState::Failed && status.vm.restarts > earlier.vm.restarts => {
            let error = status.vm.last_error.as_ref();
            let why = error.map_or("no reason is known", |error| &error.message);
            let why = why.trim_end_matches('.');
            vec![format!(
                "The VM ended by itself and is started again: {why}. Containers without a restart policy have to be \
                 started."
            )]
        }
        VmState::Running if earlier.vm.state == VmState::Running => {
            let is_new = |reason: &&String| !earlier.degraded.contains(reason);
            status.degraded.iter().filter(is_new).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// A daemon that ends as it was told has no VM by then.
fn held_a_vm(view: &View) -> bool {
    let state = view.status.as_ref().map(|status| status.vm.state);
    matches!(
        state,
        Some(VmState::Booting | VmState::EngineStarting | VmState::Running)
    )
}

#[cfg(test)]
mod tests {
    use coracle_daemon_api::{ApiError, ErrorCode};

    use super::*;
    use crate::fixtures;

    fn with(state: &str, degraded: &[&str]) -> View {
        let mut status = fixtures::status(state);
        status.degraded = degraded.iter().map(|one| (*one).to_owned()).collect();
        View {
            status: Some(status),
            ..fixtures::running()
        }
    }

    #[test]
    fn a_daemon_that_ends_with_its_vm_is_told_of_and_one_that_was_told_to_end_is_not() {
        let gone = View {
            daemon: Link::Gone {
                message: "It does not run.".into(),
            },
            ..View::default()
        };
        assert!(sound(&fixtures::running(), &gone)[0].starts_with("The daemon has ended"));
        assert!(sound(&with("suspended", &[]), &gone).is_empty());
        assert!(sound(&View::default(), &gone).is_empty());
    }

    #[test]
    fn a_vm_that_ended_by_itself_is_told_of_once() {
        let restarted = |state: &str, restarts| {
            let mut view = with(state, &[]);
            let vm = &mut view.status.as_mut().unwrap().vm;
            vm.restarts = restarts;
            vm.last_error = Some(ApiError::new(ErrorCode::VmFailed, "QEMU was killed"));
            view
        };
        let (ran, again) = (with("running", &[]), restarted("booting", 1));
        let told = sound(&ran, &again);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains("started again: QEMU was killed."),
            "{told:?}"
        );
        assert!(sound(&again, &restarted("running", 1)).is_empty());
        assert_eq!(sound(&again, &restarted("running", 2)).len(), 1);
        // A start by the person begins to count anew.
        assert!(sound(&again, &with("booting", &[])).is_empty());
        // Too often: what failed is told, and not that it goes on.
        assert_eq!(sound(&ran, &restarted("failed", 1)), ["QEMU was killed"]);
    }

    #[test]
    fn each_new_problem_is_told_once() {
        let (one, two) = (with("running", &["a"]), with("running", &["a", "b"]));
        assert_eq!(sound(&one, &two), ["b"]);
        assert!(sound(&two, &two).is_empty());
        assert!(sound(&two, &one).is_empty());
        assert!(sound(&with("booting", &[]), &two).is_empty());
        assert_eq!(sound(&one, &with("failed", &["a"])), ["The VM has failed."]);
    }
}
