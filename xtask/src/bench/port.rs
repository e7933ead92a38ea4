//! `port-throughput`, `port-requests`, `port-p99`: a published port, beside other ways to it.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::figure::{Better, Figure, in_turn};
use super::load::{self, Answered, Target};
use super::servers::BULK;
use super::stage::Stage;
use super::ways::{Door, Ways};

pub(super) const THROUGHPUT: Bench = Bench {
    name: "port-throughput",
    about: "32 MiB through one connection of a published port, out of the container and into \
            it, beside other ways to the same container of the same guest.",
    run: throughput,
};

pub(super) const REQUESTS: Bench = Bench {
    name: "port-requests",
    about: "HTTP requests per second of 16 clients that ask nginx in a container through a \
            published port, each the next when it has its answer: on connections that stay, \
            and with a new connection for each request.",
    run: requests,
};

pub(super) const P99: Bench = Bench {
    name: "port-p99",
    about: "The time within which 99 of 100 of such requests are answered, of 4 clients.",
    run: p99,
};

/// How long clients ask for one sample.
const ASK_FOR: Duration = Duration::from_secs(2);

/// The two ways to ask, with their names in the report.
const MANNERS: [(&str, bool); 2] = [("connections stay", false), ("a connection each", true)];

type Measure = dyn Fn(&Door) -> Result<f64>;

fn throughput(stage: &Stage) -> Result<Vec<Figure>> {
    let out = |door: &Door| load::download(&Target::Tcp(door.source), BULK);
    let into = |door: &Door| load::upload(door.sink, BULK);
    let mut figures = compare(stage, THROUGHPUT.name, "out", "MB/s", Better::Higher, &out)?;
    figures.extend(compare(
        stage,
        THROUGHPUT.name,
        "in",
        "MB/s",
        Better::Higher,
        &into,
    )?);
    Ok(figures)
}

fn requests(stage: &Stage) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, anew) in MANNERS {
        let rate = move |door: &Door| Ok(ask(door, 16, anew)?.per_second);
        figures.extend(compare(
            stage,
            REQUESTS.name,
            name,
            "requests/s",
            Better::Higher,
            &rate,
        )?);
    }
    Ok(figures)
}

fn p99(stage: &Stage) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, anew) in MANNERS {
        let time = move |door: &Door| Ok(ask(door, 4, anew)?.p99);
        figures.extend(compare(stage, P99.name, name, "ms", Better::Lower, &time)?);
    }
    Ok(figures)
}

fn ask(door: &Door, clients: usize, anew: bool) -> Result<Answered> {
    load::requests(&Target::Tcp(door.http), "/", clients, anew, ASK_FOR)
}

/// Measures our way and all peers' ways in turn; a figure for each peer.
fn compare(
    stage: &Stage,
    bench: &'static str,
    variant: &'static str,
    unit: &'static str,
    better: Better,
    measure: &Measure,
) -> Result<Vec<Figure>> {
    let ways: &Ways = stage.ways()?;
    let mut sides = vec![("ours", ways.published)];
    sides.extend(ways.peers.iter().map(|peer| (peer.name, peer.door)));
    let mut sides: Vec<_> = sides
        .into_iter()
        .map(|(name, door)| {
            (
                name,
                Box::new(move || measure(&door)) as Box<dyn FnMut() -> _>,
            )
        })
        .collect();
    let mut samples = in_turn(stage.runs, &mut sides)?.into_iter();
    let ours = samples.next().unwrap_or_default();
    let figure = |(peer, samples): (&super::ways::Peer, Vec<f64>)| Figure {
        bench,
        variant,
        unit,
        better,
        ours: ours.clone(),
        peer: samples,
        peer_name: peer.name,
        peer_commands: peer.commands.clone(),
        goal: 1.0,
    };
    Ok(ways.peers.iter().zip(samples).map(figure).collect())
}
