//! Logs as text, with new lines as they come.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use coracle_daemon_api::{ApiError, ErrorCode};
use coracle_host_paths::HostPaths;
use futures::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::time::sleep;

use super::answer::{Answer, text};
use crate::platform;

/// How often a file is looked at, while a client follows it.
const LOOK: Duration = Duration::from_millis(200);
const PIECE: usize = 64 << 10;

/// `?source=daemon|vm|engine&follow=true|false`.
pub(super) fn answer(paths: &HostPaths, query: Option<&str>) -> Result<Answer, ApiError> {
    let (mut path, mut follow) = (None, false);
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        match pair.split_once('=') {
            Some(("source", "daemon")) => path = Some(paths.daemon_log()),
            Some(("source", "vm")) => path = Some(paths.console_log()),
            Some(("source", "engine")) => path = Some(paths.engine_log()),
            Some(("follow", "true")) => follow = true,
            Some(("follow", "false")) => follow = false,
            _ => return Err(wrong(pair)),
        }
    }
    let path = path.ok_or_else(|| wrong("no source"))?;
    let tail = Tail {
        path,
        follow,
        file: None,
    };
    Ok(text(stream::unfold(tail, |mut tail| async {
        Some((tail.next().await?, tail))
    })))
}

fn wrong(what: &str) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidInput,
        format!(
            "{what} is not understood: ask for source=daemon, vm or engine, and follow=true or false"
        ),
    )
}

struct Tail {
    path: PathBuf,
    follow: bool,
    file: Option<(File, u64)>,
}

impl Tail {
    /// The next piece; `None` at the end. A file that is not there yet is empty, and one that
    /// was put aside is followed by its successor.
    async fn next(&mut self) -> Option<Bytes> {
        let mut piece = vec![0; PIECE];
        loop {
            if self.file.is_none() {
                self.file = open(&self.path).await;
            }
            if let Some((file, identity)) = &mut self.file {
                // Asked first: what is written between the two is read from the old file.
                let replaced = self.follow && is_other(&self.path, *identity).await;
                match file.read(&mut piece).await {
                    Ok(0) if replaced => {
                        self.file = None;
                        continue;
                    }
                    Ok(0) => {}
                    Ok(length) => {
                        piece.truncate(length);
                        return Some(piece.into());
                    }
                    Err(error) => {
                        tracing::warn!(%error, path = %self.path.display(), "cannot read a log");
                        return None;
                    }
                }
            }
            if !self.follow {
                return None;
            }
            sleep(LOOK).await;
        }
    }
}

async fn open(path: &Path) -> Option<(File, u64)> {
    let file = File::open(path).await.ok()?;
    let identity = platform::file_identity(&file.metadata().await.ok()?);
    Some((file, identity))
}

async fn is_other(path: &Path, identity: u64) -> bool {
    match tokio::fs::metadata(path).await {
        Ok(metadata) => platform::file_identity(&metadata) != identity,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_follower_sees_what_comes_and_stays_over_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut tail = Tail {
            path: path.clone(),
            follow: true,
            file: None,
        };
        let writer = tokio::spawn(async move {
            let mut all = Vec::new();
            while !all.ends_with(b"three\n") {
                all.extend_from_slice(&tail.next().await.unwrap());
            }
            all
        });
        let pause = || sleep(LOOK * 2);
        pause().await;
        std::fs::write(&path, "one\n").unwrap();
        pause().await;
        let mut old = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        std::fs::rename(&path, folder.path().join("a.log.1")).unwrap();
        old.write_all(b"two\n").unwrap();
        std::fs::write(&path, "three\n").unwrap();
        assert_eq!(writer.await.unwrap(), b"one\ntwo\nthree\n");
    }

    #[tokio::test]
    async fn without_following_it_ends_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut tail = Tail {
            path: folder.path().join("a.log"),
            follow: false,
            file: None,
        };
        assert!(tail.next().await.is_none());
        std::fs::write(&tail.path, "one\n").unwrap();
        assert_eq!(tail.next().await.unwrap(), "one\n");
        assert!(tail.next().await.is_none());
    }
}
