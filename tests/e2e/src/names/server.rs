use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use anyhow::Result;

/// What the server of this suite says.
pub(super) const WORDS: &str = "words of the host";

/// A web server on an address of the host that always says the same, for as long as the test program runs;
/// its port.
pub(crate) fn start(address: &str, words: &'static str) -> Result<u16> {
    let listener = TcpListener::bind((address, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut client = client;
            let _ = client.read(&mut [0; 4096]);
            let _ = write!(
                client,
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{words}",
                words.len()
            );
        }
    });
    Ok(port)
}

/// Takes one connection on an address of the host, tells of the first byte, and reads what else comes; its
/// port.
pub(crate) fn listener(address: &str) -> Result<(u16, mpsc::Receiver<()>)> {
    let listener = TcpListener::bind((address, 0))?;
    let port = listener.local_addr()?.port();
    let (heard, first) = mpsc::channel();
    thread::spawn(move || -> Result<()> {
        let mut client = listener.accept()?.0;
        client.read_exact(&mut [0])?;
        heard.send(())?;
        std::io::copy(&mut client, &mut std::io::sink())?;
        Ok(())
    });
    Ok((port, first))
}
