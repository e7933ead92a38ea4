mod file;

use coracle_daemon_api::ErrorCode;

use crate::failure::Failure;
use crate::launch;
use crate::output::Output;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  coracle logs vm\n  coracle logs -f engine")]
pub(crate) struct Args {
    /// Stay and show new lines
    #[arg(long, short)]
    follow: bool,
    /// Whose log
    #[arg(value_enum, default_value = "daemon")]
    source: Source,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Source {
    /// The host daemon's
    Daemon,
    /// The VM's serial console
    Vm,
    /// The Docker engine's
    Engine,
}

impl Source {
    /// As the daemon's API calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Vm => "vm",
            Self::Engine => "engine",
        }
    }
}

/// From the daemon if it runs, else from the files that it left.
pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    let mut sink = Sink::new(session.output, args.source);
    if launch::running(&session.client).await?.is_some() {
        let source = args.source.name();
        let mut text = session.client.logs(source, args.follow).await?;
        while let Some(piece) = text.next().await?
            && sink.take(&piece)
        {}
    } else {
        let path = match args.source {
            Source::Daemon => session.paths.daemon_log(),
            Source::Vm => session.paths.console_log(),
            Source::Engine => session.paths.engine_log(),
        };
        if !path.exists() {
            return Err(Failure::new(
                ErrorCode::Missing,
                format!(
                    "there is no log at {} yet: `coracle start` begins one",
                    path.display()
                ),
            ));
        }
        file::read(&path, args.follow, |piece| sink.take(piece))
            .await
            .map_err(|error| Failure::host(format!("cannot read {}", path.display()), &error))?;
    }
    sink.finish()?;
    Ok(0)
}

/// Writes pieces of a log as they come, or with `--json` an object per line.
struct Sink {
    output: Output,
    source: Source,
    pending: Vec<u8>,
    failure: Option<Failure>,
}

impl Sink {
    fn new(output: Output, source: Source) -> Self {
        Self {
            output,
            source,
            pending: Vec::new(),
            failure: None,
        }
    }

    /// False when nothing more can be written.
    fn take(&mut self, piece: &[u8]) -> bool {
        let result = if self.output.json {
            self.pending.extend_from_slice(piece);
            self.whole_lines()
        } else {
            self.output.bytes(piece)
        };
        self.failure = result.err();
        self.failure.is_none()
    }

    fn finish(mut self) -> Result<(), Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if !self.pending.is_empty() {
            let last = std::mem::take(&mut self.pending);
            self.json(&last)?;
        }
        Ok(())
    }

    fn whole_lines(&mut self) -> Result<(), Failure> {
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            self.json(&line[..end])?;
        }
        Ok(())
    }

    fn json(&self, line: &[u8]) -> Result<(), Failure> {
        let line = String::from_utf8_lossy(line);
        self.output.json_line(&serde_json::json!({
            "source": self.source.name(),
            "line": line.trim_end_matches('\r'),
        }))
    }
}
