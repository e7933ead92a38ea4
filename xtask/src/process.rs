//! Other programs, run so that a failure says which one and what it wrote.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells the person what a long step does.
pub(crate) fn progress(verb: &str, text: &str) {
    eprintln!("{verb}: {text}…");
}

/// Runs to the end, and returns standard output; what was written is shown only on failure.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let result = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !result.status.success() {
        // Some, apt among them, explain on standard output what they complain of.
        let text = [result.stdout, result.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n");
        bail!("{program} failed ({}):\n{last}", result.status);
    }
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}

/// Runs to the end with our own output.
pub(crate) fn inherit(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{program} failed ({status})");
    }
    Ok(())
}

/// Finds a program in PATH, or where an ordinary user's PATH does not reach on Debian.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| is_executable(file))
}

/// A command for [`find`]'s result; by its bare name if there is none, so that running it says so.
pub(crate) fn command(program: &str) -> Command {
    Command::new(find(program).unwrap_or_else(|| program.into()))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
