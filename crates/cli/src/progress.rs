//! Showing a long action: a spinner on a terminal, plain lines elsewhere, JSON lines for programs.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use coracle_daemon_api::{Progress, Stage};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::output::Output;

/// Shows the stages of one action on stderr, or with `--json` on stdout.
///
/// The last line of progress is not shown here: the verb writes it when it has truly
/// finished.
pub(crate) struct ProgressView {
    output: Output,
    spinner: Option<ProgressBar>,
    current: Option<(Stage, String, Instant)>,
    reader_gone: Option<Failure>,
}

impl ProgressView {
    pub(crate) fn new(output: Output) -> Self {
        let spinner = (!output.json && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::new_spinner().with_style(style)
        });
        Self {
            output,
            spinner,
            current: None,
            reader_gone: None,
        }
    }

    /// A line of progress has come. An output that nobody reads any more does not end the action; [`finish`](Self::finish)
    /// reports it.
    pub(crate) fn show(&mut self, progress: &Progress) {
        let Progress::Stage { stage, message } = progress else {
            return;
        };
        if self.output.json {
            if self.reader_gone.is_none() {
                self.reader_gone = self.output.json_line(progress).err();
            }
            return;
        }
        if let Some((current, text, _)) = &mut self.current
            && current == stage
            && self.spinner.is_some()
        {
            text.clone_from(message);
        } else {
            self.close_stage();
            self.current = Some((*stage, message.clone(), Instant::now()));
        }
        match &self.spinner {
            Some(spinner) => {
                spinner.set_message(message.clone());
                spinner.enable_steady_tick(Duration::from_millis(120));
            }
            None => self.output.note(&format!("{}: {message}", name(*stage))),
        }
    }

    /// Ends the display.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.close_stage();
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        self.reader_gone.take().map_or(Ok(()), Err)
    }

    fn close_stage(&mut self) {
        if let (Some(spinner), Some((_, message, since))) = (&self.spinner, self.current.take()) {
            spinner.println(format!("✓ {message} ({:.1?})", since.elapsed()));
            spinner.reset_elapsed();
        }
    }
}

impl Drop for ProgressView {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

/// The stage as its JSON name.
fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Checking => "checking",
        Stage::Preparing => "preparing",
        Stage::Booting => "booting",
        Stage::Engine => "engine",
        Stage::Stopping => "stopping",
        Stage::Suspending => "suspending",
        Stage::Resuming => "resuming",
        Stage::Snapshot => "snapshot",
    }
}
