//! `cargo xtask bench`: us and a peer, measured in turn in one run.
//!
//! A bench is one module with a [`Bench`] constant that stands in [`BENCHES`]. It measures on
//! the [`Stage`], which boots what several benches use only once, and gives [`Figure`]s:
//! samples of us and of a peer, taken in turn ([`figure::in_turn`]) so that a busy host hits both.
//! [`report`] writes them all to `target/bench`.

mod chart;
mod cold_start;
mod daemon_idle;
mod debian_guest;
mod figure;
mod file_events;
mod files;
mod gui_idle;
mod load;
mod port;
mod reclaim;
mod report;
mod servers;
mod snapshot;
mod socket;
mod stage;
mod suspend;
mod wake;
mod ways;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::process::progress;
use figure::Figure;
use stage::Stage;

/// One thing that is measured.
struct Bench {
    name: &'static str,
    /// What is measured, and how: a sentence or two for the report.
    about: &'static str,
    run: fn(&Stage) -> Result<Vec<Figure>>,
}

/// In the order in which they run: those that start and stop VMs of their own come first, as
/// two VMs at once would disturb each other.
const BENCHES: &[Bench] = &[
    cold_start::BENCH,
    suspend::RESUME,
    suspend::SUSPEND,
    wake::BENCH,
    snapshot::BENCH,
    file_events::BENCH,
    files::READ,
    files::STAT,
    daemon_idle::BENCH,
    gui_idle::BENCH,
    reclaim::BENCH,
    socket::LATENCY,
    socket::THROUGHPUT,
    port::THROUGHPUT,
    port::REQUESTS,
    port::P99,
];

#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask bench cold-start daemon-idle")]
pub(crate) struct Options {
    /// What to measure; everything without
    names: Vec<String>,
    /// How often each figure is taken; the report shows medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(5..))]
    runs: u32,
    /// Show the benches instead of running them
    #[arg(long)]
    list: bool,
}

/// Measures what is asked for and writes the report; an error after that when a bench failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        for bench in BENCHES {
            println!("{:18} {}", bench.name, bench.about);
        }
        return Ok(());
    }
    let wanted = select(&options.names)?;
    let stage = Stage::prepare(options.runs as usize)?;
    let (mut measured, mut failed) = (Vec::new(), Vec::new());
    for bench in wanted {
        progress("bench", bench.name);
        let began = Instant::now();
        match (bench.run)(&stage) {
            Ok(figures) => {
                for figure in &figures {
                    eprintln!("bench: {}", figure.line());
                }
                let took = began.elapsed().as_secs();
                eprintln!("bench: {} took {took} s", bench.name);
                measured.push((bench, figures));
            }
            Err(error) => {
                eprintln!("error: {}: {error:#}", bench.name);
                failed.push(bench.name);
            }
        }
    }
    let file = report::write(&measured, &stage.facts())?;
    eprintln!("bench: the report is {}", file.display());
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

fn select(names: &[String]) -> Result<Vec<&'static Bench>> {
    for name in names {
        if !BENCHES.iter().any(|bench| bench.name == name) {
            let known: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
            bail!("there is no bench {name}; there are {}", known.join(", "));
        }
    }
    let is_wanted =
        |bench: &&Bench| names.is_empty() || names.iter().any(|name| name == bench.name);
    Ok(BENCHES.iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_and_unknown_ones_are_told() {
        assert_eq!(select(&[]).unwrap().len(), BENCHES.len());
        let one = select(&["daemon-idle".into()]).unwrap();
        assert_eq!(one.len(), 1);
        let error = select(&["nonsense".into()])
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(error.contains("nonsense") && error.contains("cold-start"));
    }
}
