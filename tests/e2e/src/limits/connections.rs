use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, patience, process};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::footprint::Footprint;
use crate::images;

const CONNECTIONS: usize = 2000;

/// An echo service for any number of connections in one thread.
const SERVICE: &str = "
import asyncio
async def serve(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, '', 5001, backlog=4096)
    print('ready', flush=True)
    await server.serve_forever()
asyncio.run(main())
";

pub(super) fn two_thousand_through_one_port(coracle: &Coracle) -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        most > CONNECTIONS as u64 + 100,
        "this user may open {most} files only"
    );
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let image = images::voting_app(coracle)?;
    let id = coracle.background([
        "--publish",
        "127.0.0.1::5001",
        "--ulimit",
        "nofile=8192",
        image,
        "python3",
        "-c",
        SERVICE,
    ])?;
    coracle.await_log(&id, "ready")?;
    let address = coracle.docker(["port", &id, "5001"]).text()?;
    // The first round may take memory for good.
    round(coracle, &address)?;
    let first = Footprint::of(coracle)?;
    round(coracle, &address)?;
    let second = first.await_return(coracle)?;
    eprintln!("after one round: {first}; after two: {second}");
    Ok(())
}

/// Opens all, uses each while all are open, and closes them.
fn round(coracle: &Coracle, address: &str) -> Result<()> {
    let daemon = coracle.daemon()?;
    let mut streams = Vec::new();
    for number in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).with_context(|| format!("connection {number}"))?;
        stream.set_read_timeout(Some(patience()))?;
        streams.push(stream);
    }
    for pass in 0..2 {
        for (number, stream) in streams.iter_mut().enumerate() {
            write!(stream, "{pass}/{number:06}")?;
        }
        for (number, stream) in streams.iter_mut().enumerate() {
            let mut back = [0; 8];
            stream
                .read_exact(&mut back)
                .with_context(|| format!("connection {number} in pass {pass}"))?;
            ensure!(
                back == *format!("{pass}/{number:06}").as_bytes(),
                "connection {number} got another's bytes"
            );
        }
        let open = process::descriptors(daemon)?;
        ensure!(
            open >= CONNECTIONS,
            "the daemon has {open} descriptors: not all are open"
        );
    }
    Ok(())
}
