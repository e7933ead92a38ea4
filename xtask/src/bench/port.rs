//! `port-throughput`, `port-requests`, `port-p99`: a published port, beside other ways to it.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::figure::{Better, Figure, Quantity, in_turn};
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
    let quantity = |variant| Quantity {
        bench: THROUGHPUT.name,
        variant,
        unit: "MB/s",
        better: Better::Higher,
    };
    let mut figures = compare(stage, quantity("out"), &out)?;
    figures.extend(compare(stage, quantity("in"), &into)?);
    Ok(figures)
}

fn requests(stage: &Stage) -> Result<Vec<Figure>> {
    let quantity = Quantity {
        bench: REQUESTS.name,
        variant: "",
        unit: "requests/s",
        better: Better::Higher,
    };
    in_both_manners(stage, quantity, 16, |answered| answered.per_second)
}

fn p99(stage: &Stage) -> Result<Vec<Figure>> {
    let quantity = Quantity {
        bench: P99.name,
        variant: "",
        unit: "ms",
        better: Better::Lower,
    };
    in_both_manners(stage, quantity, 4, |answered| answered.p99)
}

/// One number of what the clients' requests came to, for each of [`MANNERS`].
fn in_both_manners(
    stage: &Stage,
    quantity: Quantity,
    clients: usize,
    number: fn(Answered) -> f64,
) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (variant, anew) in MANNERS {
        let measure = move |door: &Door| Ok(number(ask(door, clients, anew)?));
        let quantity = Quantity {
            variant,
            ..quantity
        };
        figures.extend(compare(stage, quantity, &measure)?);
    }
    Ok(figures)
}

fn ask(door: &Door, clients: usize, anew: bool) -> Result<Answered> {
    load::requests(&Target::Tcp(door.http), "/", clients, anew, ASK_FOR)
}

/// Measures our way and all peers' ways in turn; a figure for each peer.
fn compare(stage: &Stage, quantity: Quantity, measure: &Measure) -> Result<Vec<Figure>> {
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
        quantity,
        ours: ours.clone(),
        peer: samples,
        peer_name: peer.name,
        peer_commands: peer.commands.clone(),
        goal: 1.0,
    };
    Ok(ways.peers.iter().zip(samples).map(figure).collect())
}
