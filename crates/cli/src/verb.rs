//! The verbs, a module each.

pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod debug;
pub(crate) mod default_socket;
pub(crate) mod diagnose;
pub(crate) mod logs;
pub(crate) mod man_pages;
pub(crate) mod reclaim;
pub(crate) mod reset;
pub(crate) mod shell;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod swarm;
pub(crate) mod version;
pub(crate) mod watch;

use crate::args::Verb;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Runs a verb; returns the exit code of one that came to its end.
pub(crate) async fn run(verb: &Verb, output: Output) -> Result<u8, Failure> {
    // What is printed of the command itself needs no state folder.
    match verb {
        Verb::Completion(args) => return completion::run(args, output),
        Verb::ManPages(args) => return man_pages::run(args),
        _ => {}
    }
    let session = Session::from_env(output)?;
    match verb {
        Verb::Start(args) => start::run(args, &session).await,
        Verb::Stop(args) => stop::run(args, &session).await,
        Verb::Restart(args) => start::restart(args, &session).await,
        Verb::Status(args) => status::run(args, &session).await,
        Verb::Logs(args) => logs::run(args, &session).await,
        Verb::Shell(args) => shell::run(args, &session).await,
        Verb::Snapshot(args) => snapshot::run(args, &session).await,
        Verb::Swarm(args) => swarm::run(args, &session).await,
        Verb::Debug(args) => debug::run(args, &session).await,
        Verb::Watch(args) => watch::run(args, &session).await,
        Verb::Reclaim(args) => reclaim::run(args, &session).await,
        Verb::Config(args) => config::run(args, &session).await,
        Verb::DefaultSocket(args) => default_socket::run(args, &session).await,
        Verb::Diagnose(args) => diagnose::run(args, &session).await,
        Verb::Reset(args) => reset::run(args, &session).await,
        Verb::Completion(args) => completion::run(args, output),
        Verb::ManPages(args) => man_pages::run(args),
        Verb::Version(args) => version::run(args, &session).await,
    }
}
