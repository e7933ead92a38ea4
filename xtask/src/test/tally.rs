use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// How many tests passed and failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Tally {
    /// Runs a test program with its output shown as it comes, and counts its results.
    ///
    /// A program that fails without a failed test (it did not compile, it died) counts as one.
    pub(super) fn run(&mut self, what: &str, command: &mut Command) -> Result<()> {
        self.run_to(&mut io::stdout(), what, command)
    }

    fn run_to(&mut self, to: &mut impl Write, what: &str, command: &mut Command) -> Result<()> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run the tests of {what}"))?;
        let mut output = child.stdout.take().context("no output")?;
        let (mut all, mut chunk) = (Vec::new(), [0; 8192]);
        // By chunks, not lines: a test's name is to be seen while it runs.
        loop {
            match output.read(&mut chunk)? {
                0 => break,
                length => {
                    to.write_all(&chunk[..length])?;
                    to.flush()?;
                    all.extend_from_slice(&chunk[..length]);
                }
            }
        }
        let status = child.wait()?;
        let found = read(&String::from_utf8_lossy(&all));
        self.passed += found.passed;
        self.failed += match (status.success(), found.failed) {
            (false, 0) => {
                eprintln!("error: the tests of {what} ended with {status}");
                1
            }
            (_, failed) => failed,
        };
        Ok(())
    }
}

/// Sums up libtest's lines `test result: ok. 3 passed; 0 failed; …`.
fn read(output: &str) -> Tally {
    let mut tally = Tally::default();
    for line in output
        .lines()
        .filter(|line| line.starts_with("test result: "))
    {
        let words: Vec<_> = line
            .split([' ', ';', '.'])
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            let count = pair[0].parse().unwrap_or(0);
            match pair[1] {
                "passed" => tally.passed += count,
                "failed" => tally.failed += count,
                _ => {}
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_counted() {
        let output = "\
running 3 tests
test a ... ok
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
said by a test: 7 passed; 7 failed
test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out
";
        assert_eq!(
            read(output),
            Tally {
                passed: 13,
                failed: 2
            }
        );
    }

    #[test]
    fn a_program_that_dies_is_a_failure() {
        let mut tally = Tally::default();
        let script = "echo 'test result: ok. 2 passed; 0 failed;'; exit 101";
        tally
            .run_to(
                &mut io::sink(),
                "this",
                Command::new("sh").args(["-c", script]),
            )
            .unwrap();
        assert_eq!(
            tally,
            Tally {
                passed: 2,
                failed: 1
            }
        );
    }
}
