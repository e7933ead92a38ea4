use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use coracle_vm_harness::Coracle;
use sha2::{Digest, Sha256};

use super::peer::{Peer, connect};
use crate::images;

pub(super) fn server_speaks_first(coracle: &Coracle) -> Result<()> {
    let peer = Peer::start(coracle, &["--publish", "127.0.0.1::5002"])?;
    let mut stream = BufReader::new(peer.connect(5002)?);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    ensure!(line == "who is there?\n", "it said {line:?}");
    stream.get_mut().write_all(b"me\n")?;
    line.clear();
    stream.read_line(&mut line)?;
    ensure!(line == "hello me\n", "it said {line:?}");
    ensure!(stream.read(&mut [0])? == 0, "it did not end the connection");
    Ok(())
}

pub(super) fn half_close_keeps_the_way_back_open(coracle: &Coracle) -> Result<()> {
    let peer = Peer::start(coracle, &["--publish", "127.0.0.1::5003"])?;
    let bytes = images::noise(1 << 20);
    let mut stream = peer.connect(5003)?;
    stream.write_all(&bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(
        answer.trim() == format!("{:x}", Sha256::digest(&bytes)),
        "it said {answer:?}"
    );
    Ok(())
}

pub(super) fn large_transfers_are_intact(coracle: &Coracle) -> Result<()> {
    let publish = [
        "--publish",
        "127.0.0.1::5001",
        "--publish",
        "127.0.0.1::5004",
    ];
    let peer = Peer::start(coracle, &publish)?;
    // Both ways at once.
    let bytes = images::noise(24 << 20);
    let mut stream = peer.connect(5001)?;
    let mut writer = stream.try_clone()?;
    let sent = bytes.clone();
    let writing = thread::spawn(move || -> std::io::Result<()> {
        writer.write_all(&sent)?;
        writer.shutdown(Shutdown::Write)
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back)?;
    writing
        .join()
        .map_err(|_| anyhow!("the writer panicked"))??;
    ensure!(
        back == bytes,
        "{} of {} bytes came back, or others",
        back.len(),
        bytes.len()
    );
    // One way.
    let mut stream = peer.connect(5004)?;
    stream.write_all(b"1000\n")?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    ensure!(all.len() == 1000 * 65536, "{} bytes came", all.len());
    let intact = all.iter().enumerate().all(|(at, byte)| *byte == at as u8);
    ensure!(intact, "other bytes came");
    Ok(())
}

pub(super) fn two_hundred_at_once(coracle: &Coracle) -> Result<()> {
    let peer = Peer::start(coracle, &["--publish", "127.0.0.1::5001"])?;
    let address = peer.address(5001)?;
    // All are open before the first one ends.
    let streams: Vec<TcpStream> = (0..200)
        .map(|_| connect(&address))
        .collect::<Result<_>>()
        .context("while opening")?;
    let threads: Vec<_> = streams
        .into_iter()
        .enumerate()
        .map(|(number, stream)| thread::spawn(move || request(stream, number)))
        .collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a request panicked"))??;
    }
    Ok(())
}

fn request(mut stream: TcpStream, number: usize) -> Result<()> {
    let text = format!("request {number} ").repeat(500);
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut back = String::new();
    stream.read_to_string(&mut back)?;
    ensure!(
        back == text,
        "request {number} got {} bytes back",
        back.len()
    );
    Ok(())
}

pub(super) fn stopped_container_ends_its_connections(coracle: &Coracle) -> Result<()> {
    let peer = Peer::start(coracle, &["--publish", "127.0.0.1::5005"])?;
    let mut stream = peer.connect(5005)?;
    stream.write_all(b"word")?;
    peer.stop()?;
    ended(&mut stream)
}

/// The port is bound on the host, so the connection opens; it ends at once where nobody serves it.
pub(super) fn nobody_listens_in_the_container(coracle: &Coracle) -> Result<()> {
    let peer = Peer::start(coracle, &["--publish", "127.0.0.1::5999"])?;
    match peer.connect(5999) {
        Ok(mut stream) => ended(&mut stream),
        Err(_) => Ok(()),
    }
}

fn ended(stream: &mut TcpStream) -> Result<()> {
    match stream.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(anyhow!("something came")),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error).context("the connection did not end"),
    }
}
