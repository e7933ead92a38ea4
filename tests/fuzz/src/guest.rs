//! What the guest sends, and what it is sent.

use std::io::Cursor;

use coracle_guest_api::debug::DebugProcess;
use coracle_guest_api::exec::{self, ExecFrame, MAX_FRAME};
use coracle_guest_api::file_events::{self, MAX_BATCH};
use coracle_guest_api::message::{self, MAX_MESSAGE};
use coracle_guest_api::mux::{self, End};
use coracle_guest_api::resumable::{Carried, Frame, Resumable};
use coracle_guest_api::status::{AgentEvent, AgentStatus};
use coracle_guest_api::{BootConfig, Hello, HelloReply, StreamHeader, StreamReply};
use coracle_guest_api::{datagram, preamble};
use futures::executor::block_on;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;

/// Messages behind their length, each kind that crosses the border.
pub fn message(data: &[u8]) {
    messages::<AgentEvent>(data);
    messages::<AgentStatus>(data);
    messages::<DebugProcess>(data);
    messages::<Hello>(data);
    messages::<HelloReply>(data);
    messages::<StreamHeader>(data);
    messages::<StreamReply>(data);
}

fn messages<T: DeserializeOwned + Serialize>(data: &[u8]) {
    let mut stream = Cursor::new(data);
    while let Ok(Some(value)) = block_on(message::read::<T>(&mut stream)) {
        let bytes = message::encode(&value).expect("no longer than it came");
        assert!(bytes.len() <= 4 + MAX_MESSAGE);
        let again: T = message::decode(&bytes[4..]).expect("its own text");
        let once = serde_json::to_value(&value).expect("plain data");
        assert_eq!(once, serde_json::to_value(&again).expect("plain data"));
    }
}

/// The start of a transport, read by either end.
pub fn preamble(data: &[u8]) {
    let nonce = [7; preamble::NONCE];
    let hello = Hello {
        protocol: 1,
        secret: "secret".into(),
        daemon_version: "0".into(),
        unix_ns: 0,
    };
    // What an end writes goes nowhere; it reads the data.
    let mut stream = tokio::io::join(data, tokio::io::sink());
    let _ = block_on(preamble::connect(&mut stream, nonce, &hello));
    let mut stream = tokio::io::join(data, tokio::io::sink());
    let _ = block_on(preamble::reconnect(&mut stream, nonce, &hello));
    let mut stream = tokio::io::join(data, tokio::io::sink());
    let _ = block_on(preamble::call_back(&mut stream, nonce, &hello));
    let reply = HelloReply {
        protocol: 1,
        agent_version: "0".into(),
        kernel: "6".into(),
        capabilities: Vec::new(),
    };
    let mut stream = tokio::io::join(data, tokio::io::sink());
    if let Ok(hello) = block_on(preamble::accept(&mut stream, "secret", &reply)) {
        assert_eq!(hello.secret, "secret");
    }
    let mut stream = tokio::io::join(data, tokio::io::sink());
    let again = preamble::accept_again(&mut stream, nonce, "secret", &reply);
    if let Ok(hello) = block_on(again) {
        assert_eq!(hello.secret, "secret");
    }
}

/// Frames of a process' input and output.
pub fn exec(data: &[u8]) {
    let mut stream = Cursor::new(data);
    loop {
        let start = stream.position() as usize;
        let Ok(Some(frame)) = block_on(exec::read(&mut stream)) else {
            return;
        };
        if let ExecFrame::Stdin(bytes) | ExecFrame::Stdout(bytes) | ExecFrame::Stderr(bytes) =
            &frame
        {
            assert!(bytes.len() <= MAX_FRAME);
        }
        assert_eq!(frame.encode(), data[start..stream.position() as usize]);
    }
}

/// Batches of changes, and their acknowledgements.
pub fn file_events(data: &[u8]) {
    let mut stream = Cursor::new(data);
    while let Ok(Some(batch)) = block_on(file_events::read(&mut stream)) {
        let mut again = Vec::new();
        block_on(file_events::write(&mut again, &batch)).expect("no longer than it came");
        assert!(again.len() <= 4 + MAX_BATCH);
        let end = stream.position() as usize;
        assert_eq!(again, data[end - again.len()..end]);
    }
    let mut stream = Cursor::new(data);
    while let Ok(Some(_)) = block_on(file_events::read_ack(&mut stream)) {}
}

/// Frames of a debugger's bytes, and two streams of them to an end that has a word to say.
pub fn resumable(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((frame, length))) = Frame::decode(rest) {
        let mut again = Vec::new();
        frame.encode(&mut again);
        assert_eq!(again, rest[..length]);
        rest = &rest[length..];
    }
    let word = tokio::io::join(&b"word"[..], tokio::io::sink());
    let mut end = Resumable::new(word);
    for _ in 0..2 {
        let stream = tokio::io::join(data, tokio::io::sink());
        if block_on(end.carry(stream)) != Ok(Carried::Broken) {
            return;
        }
    }
}

/// Datagrams on a stream.
pub fn datagram(data: &[u8]) {
    let mut stream = Cursor::new(data);
    let mut buffer = vec![0; datagram::MAX_DATAGRAM];
    while let Ok(Some(length)) = block_on(datagram::read(&mut stream, &mut buffer)) {
        let mut again = Vec::new();
        block_on(datagram::write(&mut again, &buffer[..length])).expect("no longer than it came");
        assert_eq!(again[2..], buffer[..length]);
    }
}

/// The configuration disk.
pub fn boot_config(data: &[u8]) {
    if let Ok(config) = BootConfig::from_disk(data) {
        let again = BootConfig::from_disk(&config.to_disk()).expect("its own disk");
        let value = |config| serde_json::to_value(config).expect("plain data");
        assert_eq!(value(&config), value(&again));
    }
}

/// The multiplexer, in either role, hears anything at all and then the end.
pub fn mux(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    for end in [End::Host, End::Guest] {
        runtime.block_on(async {
            let (near, mut far) = tokio::io::duplex(1 << 16);
            let (opener, mut incoming) = mux::start(near, end);
            let feed = async {
                // It may hang up in the middle.
                let _ = far.write_all(data).await;
                let _ = far.shutdown().await;
                let mut answer = Vec::new();
                let _ = tokio::io::AsyncReadExt::read_to_end(&mut far, &mut answer).await;
            };
            let serve = async {
                while let Some(mut stream) = incoming.accept().await {
                    tokio::spawn(async move {
                        let _ = message::read::<StreamHeader>(&mut stream).await;
                    });
                }
            };
            tokio::join!(feed, serve);
            opener.ended().await;
        });
    }
}
