//! From the root file system to a running engine, and what holds the agent together then.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use coracle_guest_api::boot::NetworkConfig;
use tokio::task::JoinHandle;

use crate::early::{self, EarlyBoot, Fatal};
use crate::engine::{Containerd, Engine};
use crate::guest::{Guest, Logs};
use crate::reaper::Reaper;
use crate::transport::VirtioSerial;
use crate::{
    data_disk, file_events, logging, modules, network, ports, power, registry_ca, resolver, shares,
    sysctl, transport,
};

/// How long the end of the VM waits for a boot that is still going on.
const GETS_UP_WITHIN: Duration = Duration::from_secs(10);

/// Boots, serves, and switches off. Returns only when that failed, which ends the VM.
pub(crate) fn run() -> ExitCode {
    let logs = Logs::new();
    logging::start(logs.agent.clone());
    logging::report_panics();
    let failure = match start(logs) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    tracing::error!("the guest cannot go on: {failure}");
    ExitCode::FAILURE
}

fn start(logs: Logs) -> Result<Infallible, Fatal> {
    let boot = early::boot()?;
    tracing::info!("image {}, entered the root", boot.image_version);
    // All bytes pass through the multiplexer's one task; to wake another thread for what it hands
    // on costs more, in a guest, than a second thread wins.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(live(boot, logs))
}

/// The agent's life. A part that fails fails it.
async fn live(boot: EarlyBoot, logs: Logs) -> Result<Infallible, Fatal> {
    let (reaper, reaping) = Reaper::start()?;
    let guest = Arc::new(Guest::new(boot, reaper, logs));
    sysctl::apply(&guest.config.hostname)?;
    let standing_in = tokio::spawn(ports::serve(guest.clone(), ports::listen()?));
    let own = guest.clone();
    let transporting = tokio::spawn(async move {
        match VirtioSerial::open().await {
            Ok(source) => transport::serve(own, source).await,
            Err(error) => panic!("the daemon cannot be reached: {error}"),
        }
    });
    let life = async {
        let own = guest.clone();
        let bringing_up = tokio::spawn(async move { bring_up(&own).await });
        power::requested(&guest).await?;
        // Half an engine is stopped by the loss of its supervisors.
        if let Ok(Ok(Some(engine))) = tokio::time::timeout(GETS_UP_WITHIN, bringing_up).await {
            engine.stop(&guest).await;
        }
        Ok(power::off(&guest).await?)
    };
    tokio::select! {
        ended = life => ended,
        failure = failure(reaping, standing_in, transporting) => Err(failure),
    }
}

/// Returns when one of the parts that must not end has ended.
async fn failure(
    reaping: JoinHandle<()>,
    standing_in: JoinHandle<Infallible>,
    transporting: JoinHandle<Infallible>,
) -> Fatal {
    let error = tokio::select! {
        ended = reaping => ended.err(),
        ended = standing_in => ended.err(),
        ended = transporting => ended.err(),
    };
    match error {
        Some(error) => error.into(),
        None => "a part of the agent ended".into(),
    }
}

/// Everything the engine needs, as much of it at once as there can be; then the engine.
async fn bring_up(guest: &Arc<Guest>) -> Option<Engine> {
    // The rest of the modules: dockerd is not kept waiting, since the kernel loads by itself what it misses.
    let own = guest.clone();
    let network = async {
        modules::load_network_card(&guest.reaper).await;
        tokio::spawn(async move {
            modules::load_for_engine(&own.reaper).await;
            sysctl::apply_after_modules();
        });
        let config = &guest.config;
        if let Err(sentence) =
            network::bring_up(&guest.reaper, &config.hostname, &config.network).await
        {
            guest.degraded.set("network", sentence);
        }
        serve_names(guest).await;
        registry_ca::install(guest);
    };
    let disk = async {
        match data_disk::attach(&guest.reaper).await {
            Ok(notes) => {
                for note in notes {
                    guest.degraded.set("data disk", note);
                }
            }
            Err(error) => {
                guest.give_up_engine("data disk", format!("{error} The engine was not started."));
                return None;
            }
        }
        Containerd::start(guest)
            .map_err(|error| {
                guest.give_up_engine(
                    "containerd",
                    format!("containerd cannot be configured: {error}."),
                )
            })
            .ok()
    };
    let ((), (), containerd) = tokio::join!(network, mount_shares(guest), disk);
    match containerd?.with_dockerd(guest) {
        Ok(engine) => Some(engine),
        Err(error) => {
            guest.give_up_engine("dockerd", format!("dockerd cannot be configured: {error}."));
            None
        }
    }
}

/// The guest's own name server; without it those of the network, which know less.
async fn serve_names(guest: &Arc<Guest>) {
    let Err(error) = resolver::start(guest).await else {
        return;
    };
    let NetworkConfig::Static { dns, .. } = &guest.config.network;
    let mut sentence = format!(
        "Names of the host are not known in containers: the resolver did not start: {error}."
    );
    if let Err(why) = network::name_servers(dns) {
        sentence = format!("{sentence} {why}.");
    }
    guest.degraded.set("names", sentence);
}

async fn mount_shares(guest: &Arc<Guest>) {
    let own = guest.clone();
    let mounting = tokio::task::spawn_blocking(move || {
        file_events::remember_at_most(own.config.share_files / 2);
        for share in &own.config.shares {
            match shares::attach(share) {
                Ok(()) => {
                    own.shares
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(share.path.clone());
                }
                Err(sentence) => own.degraded.set(format!("share {}", share.path), sentence),
            }
        }
    });
    if let Err(error) = mounting.await {
        guest.degraded.set(
            "shares",
            format!("The shared folders could not all be mounted: {error}."),
        );
    }
}
