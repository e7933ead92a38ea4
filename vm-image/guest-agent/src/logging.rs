//! The agent's own log: to the console and to a ring. And the last words of a panic.

use std::io::{self, Write};
use std::sync::Arc;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::uptime;

use crate::log_ring::LogRing;

/// Sends all `tracing` events of level INFO and above to the console and to `ring`.
pub(crate) fn start(ring: Arc<LogRing>) {
    write_to(ConsoleAndRing(ring));
}

/// Sends them to the console alone: for a process of its own, whose ring nobody would read.
pub(crate) fn start_without_ring() {
    write_to(io::stderr);
}

fn write_to(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_target(false)
        .with_timer(uptime())
        .with_max_level(tracing::Level::INFO)
        .with_writer(writer)
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        eprintln!("coracle-agent: a second log was started");
    }
}

/// Makes every panic visible on the console before the kernel learns of it.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = format!("coracle-agent: {panic}\n");
        // The kernel's log reaches the console even where fd 2 is not one.
        if std::fs::write("/dev/kmsg", format!("<2>{text}")).is_err() {
            let _ = io::stderr().write_all(text.as_bytes());
        }
        tracing::error!("{panic}");
    }));
}

struct ConsoleAndRing(Arc<LogRing>);

struct Line<'a>(&'a LogRing);

impl<'a> MakeWriter<'a> for ConsoleAndRing {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(&self.0)
    }
}

impl Write for Line<'_> {
    /// Gets one whole event per call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines() {
            self.0.push(line.to_owned());
        }
        // A console that cannot be written must not lose the ring's line.
        let _ = io::stderr().write_all(format!("coracle-agent: {}\n", text.trim_end()).as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
