//! The watching program: this one, run natively and in containers alike.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use coracle_vm_harness::{Coracle, Live, Program};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::images;

const READY: &str = "ready";

/// Where a watched folder is in a container.
pub(super) const INSIDE: &str = "/watched";

/// `coracle-e2e --watch FOLDER`: a line for each event of the folders and files that are below it
/// now. A watched `…/sync` folder's events end the lines of an operation.
pub(crate) fn watch(folder: &Path) -> Result<()> {
    let inotify = Inotify::init(InitFlags::empty())?;
    let mut names = HashMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let found = below(folder, &path);
        names.insert(inotify.add_watch(&found, mask())?, path.clone());
        if found.is_dir() {
            let mut entries = fs::read_dir(&found)?.collect::<Result<Vec<_>, _>>()?;
            // Of two names of one file the last one watched is told.
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                if !entry.file_type()?.is_symlink() {
                    waiting.push(path.join(entry.file_name()));
                }
            }
        }
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{READY}")?;
    out.flush()?;
    loop {
        for event in inotify.read_events()? {
            let watched = names.get(&event.wd).map(PathBuf::as_path);
            let at = watched.unwrap_or(Path::new("")).display();
            let name = event.name.unwrap_or_default();
            let mask = text(event.mask);
            let name = name.as_bytes().escape_ascii();
            write!(out, "{at}\t{mask}\t{}\t{name}", event.cookie)?;
            // Read at once: this is what a program does that reloads on the event.
            let written = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO;
            let start = match event.mask.intersects(written) {
                true => start(folder, watched, &name.to_string()),
                false => String::new(),
            };
            // The last field keeps a space at the end of the others.
            writeln!(out, "\t{start}\t.")?;
        }
        out.flush()?;
    }
}

/// The first 40 characters of the first line of a file that an event is about.
fn start(folder: &Path, watched: Option<&Path>, name: &str) -> String {
    let path = below(folder, watched.unwrap_or(Path::new("")));
    let file = match name.is_empty() {
        true => path,
        false => path.join(name),
    };
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(40).collect()
}

/// Without a slash after what may be a file.
fn below(folder: &Path, path: &Path) -> PathBuf {
    match path.as_os_str().is_empty() {
        true => folder.to_owned(),
        false => folder.join(path),
    }
}

/// All but what reading causes.
fn mask() -> AddWatchFlags {
    AddWatchFlags::IN_ALL_EVENTS
        & !(AddWatchFlags::IN_OPEN | AddWatchFlags::IN_ACCESS | AddWatchFlags::IN_CLOSE_NOWRITE)
}

fn text(mask: AddWatchFlags) -> String {
    let names: Vec<_> = mask
        .iter_names()
        .filter(|(name, flag)| flag.bits().count_ones() == 1 && !name.is_empty())
        .map(|(name, _)| name.trim_start_matches("IN_"))
        .collect();
    names.join("|")
}

/// This program with the libraries that it uses here, for an image that has none; returns the
/// dynamic linker's name.
fn tool_folder(folder: &Path) -> Result<String> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let libraries: BTreeSet<&Path> = maps
        .lines()
        .filter_map(|line| Some(Path::new(&line[line.find('/')?..])))
        .filter(|path| path.to_string_lossy().contains(".so"))
        .collect();
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let mut names = libraries.iter().map(|path| name(path));
    let linker = names.find(|name| name.starts_with("ld-linux"));
    if !folder.exists() {
        fs::create_dir_all(folder)?;
        for library in libraries {
            fs::copy(library, folder.join(name(library)))?;
        }
        fs::copy(std::env::current_exe()?, folder.join("program"))?;
    }
    linker.context("this program has no dynamic linker")
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// What was watched, below the folder.
    pub(super) watched: String,
    pub(super) mask: String,
    /// 0, or the number of the rename in this sequence.
    pub(super) rename: usize,
    pub(super) name: String,
    /// The first line of what a closed or moved file held, if it was read.
    pub(super) content: String,
}

/// A watcher that runs.
pub(super) struct Watcher(Live);

impl Watcher {
    /// On the host.
    pub(super) fn native(folder: &Path) -> Result<Self> {
        let program = Program::new(std::env::current_exe()?);
        Self::started(program.arg("--watch").arg(folder))
    }

    /// In a container that has the folder at [`INSIDE`]; `mode` is empty or `:ro`.
    pub(super) fn inside(coracle: &Coracle, folder: &Path, mode: &str) -> Result<Self> {
        Self::with(
            coracle,
            &[],
            &format!("{}:{INSIDE}{mode}", folder.display()),
        )
    }

    /// In a container with this mount and other options.
    pub(super) fn with(coracle: &Coracle, options: &[&str], mount: &str) -> Result<Self> {
        let image = images::busybox(coracle)?;
        let tool = coracle.home().join("work/watcher");
        let linker = tool_folder(&tool)?;
        let tool = format!("{}:/watcher:ro", tool.display());
        Self::started(
            coracle
                .docker(["run", "--rm", "--network=none", "--user=0:0"])
                .args(options)
                .args(["--volume", &tool, "--volume", mount])
                .arg(format!("--entrypoint=/watcher/{linker}"))
                .args([image, "--library-path", "/watcher", "/watcher/program"])
                .args(["--watch", INSIDE]),
        )
    }

    fn started(program: Program) -> Result<Self> {
        let mut live = Live::start(program)?;
        live.line(|line| line == READY)?;
        Ok(Self(live))
    }

    /// The next event, whatever it is.
    pub(super) fn next(&mut self) -> Result<Seen> {
        let line = self.0.line(|_| true)?;
        let mut parts = line.split('\t').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Ok(Seen {
            watched: part(),
            mask: part(),
            rename: part().parse().unwrap_or(0),
            name: part(),
            content: part(),
        })
    }

    /// The events up to that of this name, without it; what one watch gives twice
    /// in a row counts once.
    pub(super) fn until(&mut self, name: &str) -> Result<Vec<Seen>> {
        let mut seen: Vec<Seen> = Vec::new();
        let mut cookies = Vec::new();
        self.0.line(|line| {
            let mut parts = line.split('\t').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            let (watched, mask, cookie) = (next(), next(), next());
            let (found, content) = (next(), next());
            if found == name {
                return true;
            }
            let rename = match cookie.as_str() {
                "0" => 0,
                _ => cookies
                    .iter()
                    .position(|known| *known == cookie)
                    .map_or_else(
                        || {
                            cookies.push(cookie.clone());
                            cookies.len()
                        },
                        |at| at + 1,
                    ),
            };
            let event = Seen {
                watched,
                mask,
                rename,
                name: found,
                content,
            };
            let mut same = seen
                .iter()
                .rev()
                .filter(|seen| seen.watched == event.watched);
            if same.next() != Some(&event) {
                seen.push(event);
            }
            false
        })?;
        Ok(seen)
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.watched, self.mask, self.rename, self.name
        )
    }
}
