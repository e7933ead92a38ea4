use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use anyhow::Result;

/// What the server says.
pub(super) const WORDS: &str = "words of the host";

/// A web server on an address of the host, for as long as the test program runs; its port.
pub(super) fn start(address: &str) -> Result<u16> {
    let listener = TcpListener::bind((address, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut client = client;
            let _ = client.read(&mut [0; 4096]);
            let _ = write!(
                client,
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{WORDS}",
                WORDS.len()
            );
        }
    });
    Ok(port)
}
