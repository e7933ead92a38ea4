//! One conversation with a client.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStubBuilder, MultiThreadStopReason};
use nix::sys::signal::{Signal, kill};

use crate::target::Process;

/// The longest packet, in bytes: large ones fetch libraries in few round trips.
const PACKET: usize = 64 << 10;

/// Why a conversation broke off; the process goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    #[error("the client sent something that was not understood: {0}")]
    Protocol(String),
}

/// Serves the client until it leaves, breaks the protocol, or the process ends.
pub(crate) fn serve(process: &mut Process, stream: &UnixStream) -> Result<(), Broken> {
    let mut input = Input {
        stream,
        bytes: VecDeque::new(),
        place: Place::Between,
    };
    let output = Output {
        stream,
        bytes: Vec::new(),
    };
    let gdb = GdbStubBuilder::new(output)
        .packet_buffer_size(PACKET)
        .build()
        .map_err(protocol)?;
    let mut gdb = gdb.run_state_machine(process).map_err(protocol)?;
    loop {
        gdb = match gdb {
            GdbStubStateMachine::Idle(idle) => match input.next()? {
                Some(byte) => idle.incoming_data(process, byte).map_err(protocol)?,
                None => return Ok(()),
            },
            GdbStubStateMachine::Running(running) => {
                if let Some(reason) = process.take_stop()? {
                    running.report_stop(process, reason).map_err(protocol)?
                } else if !input.bytes.is_empty() || process.tracer.wait_or_read(stream.as_fd())? {
                    match input.next()? {
                        Some(byte) => running.incoming_data(process, byte).map_err(protocol)?,
                        None => return Ok(()),
                    }
                } else {
                    running.into()
                }
            }
            GdbStubStateMachine::CtrlCInterrupt(asked) => {
                process.tracer.interrupt();
                let not_yet = None::<MultiThreadStopReason<u64>>;
                asked
                    .interrupt_handled(process, not_yet)
                    .map_err(protocol)?
            }
            GdbStubStateMachine::Disconnected(end) => {
                if end.get_reason() == DisconnectReason::Kill {
                    // The client asked for it; a process that has ended needs no more.
                    let _ = kill(process.tracer.pid(), Signal::SIGKILL);
                }
                return Ok(());
            }
        };
    }
}

fn protocol(error: impl std::fmt::Display) -> Broken {
    Broken::Protocol(error.to_string())
}

struct Input<'a> {
    stream: &'a UnixStream,
    bytes: VecDeque<u8>,
    place: Place,
}

impl Input<'_> {
    /// The next byte; `None` when the client has gone.
    fn next(&mut self) -> io::Result<Option<u8>> {
        loop {
            if self.bytes.is_empty() {
                let mut buffer = [0; 4096];
                let length = self.stream.read(&mut buffer)?;
                self.bytes.extend(&buffer[..length]);
            }
            let Some(byte) = self.bytes.pop_front() else {
                return Ok(None);
            };
            if self.place.admits(byte) {
                return Ok(Some(byte));
            }
        }
    }
}

/// Where in the client's packets a byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Between,
    Packet,
    /// So many digits are still to come.
    Checksum(u8),
}

impl Place {
    /// Goes on by a byte, and tells whether it means anything. A client that has waited for two seconds asks by a
    /// `-` for the answer again, which is on its way: nothing is lost here, but a VM may be suspended meanwhile.
    fn admits(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (Self::Between, b'-') => return false,
            (Self::Between | Self::Packet, b'$') => Self::Packet,
            (Self::Packet, b'#') => Self::Checksum(2),
            (Self::Checksum(left @ 2..), _) => Self::Checksum(left - 1),
            (Self::Checksum(_), _) => Self::Between,
            (place, _) => place,
        };
        true
    }
}

struct Output<'a> {
    stream: &'a UnixStream,
    bytes: Vec<u8>,
}

impl Connection for Output<'_> {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.bytes.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impatience_is_no_word_of_the_client() {
        let mut place = Place::Between;
        let said = b"+-$vCont;c:p1.-1#-0-+\x03-$m-#-0--$?#3f";
        let heard: Vec<u8> = said
            .iter()
            .copied()
            .filter(|byte| place.admits(*byte))
            .collect();
        let expected = b"+$vCont;c:p1.-1#-0+\x03$m-#-0$?#3f";
        assert_eq!(
            heard.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
        assert_eq!(place, Place::Between);
    }
}
