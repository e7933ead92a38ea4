use std::time::{Duration, Instant};

use coracle_daemon_api::{Progress, StartOptions, Status};

use crate::docker_context::{self, Context};
use crate::docker_plugins;
use crate::failure::Failure;
use crate::launch;
use crate::progress::ProgressView;
use crate::session::Session;
use crate::sizes;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  coracle start --cpus 4 --memory 8GiB --disk 128GiB")]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  coracle restart --memory 8GiB")]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    options: Options,
}

/// Sizes are kept: the next start has them too.
#[derive(Debug, clap::Args)]
struct Options {
    /// Virtual CPUs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cpus: Option<u32>,
    /// Memory, as 4GiB, or a number of MiB
    #[arg(long, value_name = "SIZE", value_parser = |text: &str| sizes::parse(text, "MiB"))]
    memory: Option<u64>,
    /// Size of the data disk, as 64GiB, or a number of GiB; it can only grow
    #[arg(long, value_name = "SIZE", value_parser = |text: &str| sizes::parse(text, "GiB"))]
    disk: Option<u64>,
    /// Leave docker's contexts alone
    #[arg(long)]
    no_context: bool,
}

impl Options {
    fn sizes(&self) -> StartOptions {
        StartOptions {
            cpus: self.cpus,
            memory_mib: self.memory,
            disk_gib: self.disk,
        }
    }
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    let begin = Instant::now();
    launch::ensure_daemon(session).await?;
    let mut view = ProgressView::new(session.output);
    let status = session
        .client
        .start(&args.options.sizes(), |progress| view.show(progress))
        .await?;
    ready(&args.options, session, view, status, begin.elapsed()).await
}

pub(crate) async fn restart(args: &RestartArgs, session: &Session) -> Result<u8, Failure> {
    let begin = Instant::now();
    launch::ensure_daemon(session).await?;
    let mut view = ProgressView::new(session.output);
    let status = session
        .client
        .restart(&args.options.sizes(), |progress| view.show(progress))
        .await?;
    ready(&args.options, session, view, status, begin.elapsed()).await
}

/// Makes the context, then says what is ready.
async fn ready(
    options: &Options,
    session: &Session,
    view: ProgressView,
    status: Status,
    took: Duration,
) -> Result<u8, Failure> {
    let context = match options.no_context {
        true => None,
        false => Some(docker_context::ensure(&session.paths).await),
    };
    if let Some(Context::Failed(words)) = &context {
        session
            .output
            .note(&format!("Warning: no docker context was made: {words}"));
    }
    if let Some(Context::Ready(_)) = &context
        && let Err(error) = docker_plugins::link()
    {
        session.output.note(&format!(
            "Warning: docker is without compose or buildx: they could not be linked: {error}"
        ));
    }
    view.finish()?;
    if session.output.json {
        let status = Box::new(status);
        session.output.json_line(&Progress::Done { status })?;
    } else {
        session.output.line(&summary(&status, context, took))?;
    }
    Ok(0)
}

fn summary(status: &Status, context: Option<Context>, took: Duration) -> String {
    let engine = status.versions.engine.as_deref().unwrap_or("engine");
    let mut text = format!(
        "Docker {engine} is ready after {:.0} s ({} CPUs, {}{}).\n",
        took.as_secs_f64(),
        status.vm.cpus,
        sizes::human(status.vm.memory_mib << 20),
        status
            .host
            .as_ref()
            .map(|host| format!(", {} with {}", host.hypervisor, host.accelerator))
            .unwrap_or_default()
    );
    for reason in &status.degraded {
        text += &format!("Degraded: {reason}\n");
    }
    let host = docker_context::host_url(&status.engine_socket);
    match context {
        Some(Context::Ready(name)) => {
            text +=
                &format!("Use it:\n  docker context use {name}\nor\n  export DOCKER_HOST={host}");
        }
        Some(Context::NoDocker) => {
            text += &format!(
                "No docker command was found; once it is installed:\n  export DOCKER_HOST={host}"
            );
        }
        Some(Context::Failed(_)) | None => {
            text += &format!("Use it:\n  export DOCKER_HOST={host}");
        }
    }
    text
}
