//! `socket-latency`, `socket-throughput`: the engine's socket on the host beside `ssh -L`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use coracle_vm_harness::Coracle;

use super::Bench;
use super::figure::{Better, Figure, Quantity, Side, in_turn};
use super::load::{self, Target};
use super::stage::Stage;

pub(super) const LATENCY: Bench = Bench {
    name: "socket-latency",
    about: "The median time of `GET /_ping` on the engine's socket of the host, one request \
            after the other: with a new connection for each as the docker command does, and on one \
            that stays as an SDK does. The peer is `ssh -L` to the same engine's socket.",
    run: latency,
};

pub(super) const THROUGHPUT: Bench = Bench {
    name: "socket-throughput",
    about: "`docker load` of an image with one layer of 64 MiB of random bytes, by the docker \
            command on each socket; the image is removed in between.",
    run: throughput,
};

const ASK_FOR: Duration = Duration::from_secs(2);

fn latency(stage: &Stage) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (variant, anew) in [("a connection each", true), ("connection stays", false)] {
        let time = |socket: &Path| {
            let target = Target::Unix(socket.to_owned());
            Ok(load::requests(&target, "/_ping", 1, anew, ASK_FOR)?.p50)
        };
        let quantity = Quantity {
            bench: LATENCY.name,
            variant,
            unit: "ms",
            better: Better::Lower,
        };
        figures.push(compare(stage, quantity, &time)?);
    }
    Ok(figures)
}

fn throughput(stage: &Stage) -> Result<Vec<Figure>> {
    let coracle = stage.running()?;
    let archive = archive(coracle)?;
    let length = archive.metadata()?.len() as f64 / 1e6;
    let speed = |socket: &Path| {
        let host = format!("unix://{}", socket.display());
        let docker = |args: &[&str]| coracle.docker(["--host", &host]).args(args);
        let began = Instant::now();
        docker(&["load", "--quiet", "--input"]).arg(&archive).ok()?;
        let took = began.elapsed().as_secs_f64();
        docker(&["image", "rm", IMAGE]).ok()?;
        Ok(length / took)
    };
    let quantity = Quantity {
        bench: THROUGHPUT.name,
        variant: "",
        unit: "MB/s",
        better: Better::Higher,
    };
    Ok(vec![compare(stage, quantity, &speed)?])
}

fn compare(
    stage: &Stage,
    quantity: Quantity,
    measure: &dyn Fn(&Path) -> Result<f64>,
) -> Result<Figure> {
    let ways = stage.ways()?;
    let ours = stage.running()?.paths().engine_socket();
    let mut sides: [Side<'_>; 2] = [
        ("ours", Box::new(|| measure(&ours))),
        ("ssh", Box::new(|| measure(&ways.ssh_socket))),
    ];
    let [ours, peer] = <[_; 2]>::try_from(in_turn(stage.runs, &mut sides)?).expect("two sides");
    Ok(Figure {
        quantity,
        ours,
        peer,
        peer_name: "ssh",
        peer_commands: ways.ssh_commands.clone(),
        goal: 1.0,
    })
}

const IMAGE: &str = "coracle-bench-bulk";

/// An image that cannot be compressed, as `docker save` writes one.
fn archive(coracle: &Coracle) -> Result<PathBuf> {
    let folder = coracle.home().join("bulk");
    let archive = coracle.home().join("bulk.tar");
    fs::create_dir(&folder)?;
    let mut random = fs::File::open("/dev/urandom")?;
    let mut file = fs::File::create(folder.join("bytes"))?;
    std::io::copy(&mut std::io::Read::take(&mut random, 64 << 20), &mut file)?;
    let layer = coracle.home().join("layer.tar");
    let mut tar = crate::process::command("tar");
    crate::process::output(tar.arg("-cf").arg(&layer).arg("-C").arg(&folder).arg("."))?;
    coracle.docker(["import"]).arg(&layer).arg(IMAGE).ok()?;
    coracle
        .docker(["save", "--output"])
        .arg(&archive)
        .arg(IMAGE)
        .ok()?;
    coracle.docker(["image", "rm", IMAGE]).ok()?;
    Ok(archive)
}
