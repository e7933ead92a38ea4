//! Suites of tests over one shared VM.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use coracle_vm_harness::Coracle;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::skips::{Skip, Skips};
use crate::times::Times;

/// Lines of each log that a failure shows.
const LOG_LINES: usize = 25;

/// A test's body; what it leaves running is removed after it.
pub(crate) type Body = fn(&Coracle) -> Result<()>;

/// Tests under a common name, in the order in which they run.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) tests: &'static [(&'static str, Body)],
}

/// The names and bodies of a suite's tests: `tests![module::test, …]`.
macro_rules! tests {
    ($($module:ident :: $test:ident),* $(,)?) => {
        &[$((stringify!($test), $module::$test as crate::suite::Body)),*]
    };
}
pub(crate) use tests;

/// How often to repeat something: `in_ci`, or `long` when `CORACLE_TEST_LONG` is set, as
/// `cargo xtask test --long` does.
pub(crate) fn times(in_ci: usize, long: usize) -> usize {
    match std::env::var_os("CORACLE_TEST_LONG") {
        Some(_) => long,
        None => in_ci,
    }
}

/// Runs what the command line asks for: suites whose every test has a Coracle of its own that is not
/// started, then those that share a VM.
pub(crate) fn run(without_vm: &[Suite], in_vm: &[Suite]) -> Result<ExitCode> {
    let suites: Vec<(&Suite, bool)> = without_vm
        .iter()
        .map(|suite| (suite, false))
        .chain(in_vm.iter().map(|suite| (suite, true)))
        .collect();
    let (chosen, rest) = own_arguments(std::env::args())?;
    for name in &chosen {
        ensure!(
            suites.iter().any(|(suite, _)| suite.name == name),
            "there is no suite {name}"
        );
    }
    let mut arguments = Arguments::from_iter(rest);
    // The VM is shared.
    arguments.test_threads = Some(1);
    let all: Vec<_> = suites
        .iter()
        .flat_map(|(suite, in_vm)| {
            suite.tests.iter().map(move |(test, body)| {
                (suite.name, format!("{}::{test}", suite.name), *body, *in_vm)
            })
        })
        .collect();
    let names: Vec<_> = all.iter().map(|(_, name, ..)| name.clone()).collect();
    let shared = Arc::new(Shared {
        coracle: OnceLock::new(),
        skips: Skips::load(&names)?,
        times: Times::default(),
    });
    let trials = all
        .into_iter()
        .filter(|(suite, ..)| chosen.is_empty() || chosen.iter().any(|name| name == suite))
        .map(|(_, name, body, in_vm)| {
            let shared = shared.clone();
            Trial::ignorable_test(name.clone(), move || {
                let begun = Instant::now();
                let result = match in_vm {
                    true => shared.run(&name, body),
                    false => shared.run_alone(&name, body),
                };
                shared.times.note(name, begun.elapsed());
                result
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    eprintln!("{}", shared.times);
    // Stops the VM and removes its folder.
    drop(shared);
    Ok(conclusion.exit_code())
}

/// Takes `--suite NAME` out.
fn own_arguments(all: impl Iterator<Item = String>) -> Result<(Vec<String>, Vec<String>)> {
    let (mut suites, mut rest) = (Vec::new(), Vec::new());
    let mut all = all;
    while let Some(argument) = all.next() {
        if argument == "--suite" {
            suites.push(all.next().context("--suite needs a name")?);
        } else {
            rest.push(argument);
        }
    }
    Ok((suites, rest))
}

struct Shared {
    coracle: OnceLock<Result<Coracle, String>>,
    skips: Skips,
    times: Times,
}

impl Shared {
    fn run_alone(&self, name: &str, body: Body) -> Result<Completion, Failed> {
        let coracle = Coracle::unstarted().map_err(|error| Failed::from(format!("{error:#}")))?;
        self.judge(name, &coracle, || body(&coracle))
    }

    fn run(&self, name: &str, body: Body) -> Result<Completion, Failed> {
        let booted = self
            .coracle
            .get_or_init(|| Coracle::boot().map_err(|error| format!("{error:#}")));
        let coracle = booted
            .as_ref()
            .map_err(|error| Failed::from(format!("no VM: {error}")))?;
        self.judge(name, coracle, || {
            ready(coracle)?;
            body(coracle)
        })
    }

    fn judge(
        &self,
        name: &str,
        coracle: &Coracle,
        test: impl FnOnce() -> Result<()>,
    ) -> Result<Completion, Failed> {
        let result = catch_unwind(AssertUnwindSafe(test))
            .unwrap_or_else(|panic| Err(panic_message(&*panic)));
        match result {
            Ok(()) => Ok(Completion::Completed),
            Err(error) => match (error.downcast_ref::<Skip>(), self.skips.reason(name)) {
                (Some(skip), Some(reason)) => {
                    Ok(Completion::ignored_with(format!("{}; {reason}", skip.0)))
                }
                (Some(skip), None) => Err(Failed::from(format!(
                    "{skip}, which tests/e2e/skips.toml does not allow"
                ))),
                (None, _) => Err(Failed::from(format!(
                    "{error:#}\n{}",
                    coracle.logs(LOG_LINES)
                ))),
            },
        }
    }
}

/// Each test begins with a running engine and no containers, whatever the one before it left.
fn ready(coracle: &Coracle) -> Result<()> {
    if coracle.remove_containers().is_err() {
        coracle.coracle(["start"]).ok()?;
        coracle.await_running()?;
        coracle.remove_containers()?;
    }
    Ok(())
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> anyhow::Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    match text.or_else(|| panic.downcast_ref::<&str>().copied()) {
        Some(text) => anyhow!("it panicked: {text}"),
        None => anyhow!("it panicked"),
    }
}

/// Fails unless the text contains all of the parts.
pub(crate) fn contains(text: &str, parts: &[&str]) -> Result<()> {
    for part in parts {
        if !text.contains(part) {
            bail!("{part:?} is missing in\n{text}");
        }
    }
    Ok(())
}
