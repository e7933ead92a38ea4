use std::path::Path;

use coracle_daemon_api::{WatchLine, WatchRequest, WatchStage, WatchedContainer};

use crate::failure::Failure;
use crate::launch;
use crate::session::Session;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  coracle watch            # every container that mounts files of this host\n  coracle watch vote\n  coracle watch --json vote | jq .answered_ms\nCtrl-C ends it."
)]
pub(crate) struct Args {
    /// Containers by name or id, or services of compose or swarm [default: all]
    targets: Vec<String>,
}

/// Lines until the daemon ends or the person does.
pub(crate) async fn run(args: &Args, session: &Session) -> Result<u8, Failure> {
    launch::hello(&session.client).await?;
    let request = WatchRequest {
        targets: args.targets.clone(),
    };
    let folder = std::env::current_dir().unwrap_or_default();
    let output = session.output;
    let mut lines = session.client.watch(&request).await?;
    while let Some(line) = lines.next().await? {
        match output.json {
            true => output.json_line(&line)?,
            false => output.line(&text(&line, &folder))?,
        }
    }
    Ok(0)
}

/// For the person; paths as from this folder.
fn text(line: &WatchLine, folder: &Path) -> String {
    let text = match line {
        WatchLine::Watching { containers } => return watching(containers),
        WatchLine::Delivered {
            paths,
            overflow,
            containers,
            seen_ms,
            delivered_ms,
            ..
        } => {
            let what = match overflow {
                true => format!("very many files below {}", names(paths, folder)),
                false => names(paths, folder),
            };
            let seen = seen_ms.map_or(String::new(), |ms| format!("seen after {ms} ms, "));
            let containers = containers.join(", ");
            format!("{what}: {seen}delivered in {delivered_ms} ms to {containers}")
        }
        WatchLine::Reloaded {
            container,
            action,
            reloaded_ms,
            error,
            ..
        } => match error {
            None => format!("  {container}: {action} was done after {reloaded_ms} ms"),
            Some(error) => {
                format!("  {container}: {action} failed after {reloaded_ms} ms: {error}")
            }
        },
        WatchLine::Answered {
            container,
            address,
            answered_ms,
            slowest,
            slowest_ms,
            ..
        } => {
            let slowest = match slowest {
                WatchStage::Delivery => "the delivery",
                WatchStage::Reload => "the reload",
                WatchStage::Program => "the program itself",
            };
            format!(
                "  {container}: new answer at http://{address}/ after {answered_ms} ms, of which \
                 {slowest} took {slowest_ms}"
            )
        }
        WatchLine::Unchanged {
            container,
            address,
            waited_ms,
            ..
        } => format!(
            "  {container}: http://{address}/ still answers as before, {:.0} s later",
            waited_ms / 1000.0
        ),
        WatchLine::Missed { steps } => format!("{steps} steps were missed: too much at once"),
    };
    clean(&text)
}

/// Names come from the guest: none of them may speak to the terminal, or begin a line.
fn clean(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

fn watching(containers: &[WatchedContainer]) -> String {
    if containers.is_empty() {
        return "No container mounts files of this host yet. Ctrl-C ends.".into();
    }
    let line = |one: &WatchedContainer| {
        let mut line = format!("Watching {}", one.name);
        if let Some(address) = one.addresses.first() {
            line.push_str(&format!(", http://{address}/"));
        }
        if one.reloads {
            line.push_str(", reloaded by its label");
        }
        clean(&line)
    };
    let mut lines: Vec<_> = containers.iter().map(line).collect();
    lines.push("Save a file. Ctrl-C ends.".into());
    lines.join("\n")
}

/// The last one, and how many others.
fn names(paths: &[String], folder: &Path) -> String {
    let Some((last, others)) = paths.split_last() else {
        return "files".into();
    };
    let last = Path::new(last);
    let last = last.strip_prefix(folder).unwrap_or(last).display();
    match others.len() {
        0 => last.to_string(),
        1 => format!("{last} and 1 other"),
        count => format!("{last} and {count} others"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_is_told_as_from_here_and_says_nothing_to_the_terminal() {
        let line = WatchLine::Delivered {
            save: 1,
            paths: ["/p/a.py", "/p/src/b\u{1b}[0m\n.py"]
                .map(str::to_owned)
                .into(),
            overflow: false,
            containers: vec!["app-web-1".into()],
            seen_ms: Some(1.5),
            delivered_ms: 3.0,
        };
        assert_eq!(
            text(&line, Path::new("/p")),
            "src/b\u{fffd}[0m\u{fffd}.py and 1 other: seen after 1.5 ms, delivered in 3 ms to app-web-1"
        );
        let line = WatchLine::Answered {
            save: 1,
            container: "app-web-1".into(),
            address: "127.0.0.1:8080".into(),
            answered_ms: 420.5,
            slowest: WatchStage::Program,
            slowest_ms: 400.0,
        };
        assert_eq!(
            text(&line, Path::new("/p")),
            "  app-web-1: new answer at http://127.0.0.1:8080/ after 420.5 ms, of which the program \
             itself took 400"
        );
    }
}
