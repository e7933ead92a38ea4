//! What a person and his tools do with files.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;

/// The folders of one operation: a watched one with `file`, `other`, `sub/inner`, and more in it, and
/// one beside it that nobody watches.
pub(super) struct Place {
    watched: PathBuf,
    outside: PathBuf,
}

impl Place {
    /// Makes them.
    pub(super) fn make(watched: PathBuf, outside: PathBuf) -> Result<Self> {
        for folder in [&watched.join("sub/deep"), &watched.join("empty"), &outside] {
            fs::create_dir_all(folder)?;
        }
        for file in ["file", "other", "sub/inner", "sub/deep/leaf"] {
            fs::write(watched.join(file), format!("content of {file}\n"))?;
        }
        fs::write(watched.join("pair"), "two names\n")?;
        fs::hard_link(watched.join("pair"), watched.join("twin"))?;
        symlink("file", watched.join("link"))?;
        fs::write(outside.join("stranger"), "from outside\n")?;
        fs::create_dir(outside.join("folder"))?;
        fs::write(outside.join("folder/inside"), "from outside\n")?;
        Ok(Self { watched, outside })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.watched.join(name)
    }

    fn out(&self, name: &str) -> PathBuf {
        self.outside.join(name)
    }
}

/// A row of the table.
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) run: fn(&Place) -> Result<()>,
}

macro_rules! operations {
    ($($name:literal => |$place:ident| $body:expr,)*) => {
        &[$(Operation { name: $name, run: |$place| { $body; Ok(()) } }),*]
    };
}

pub(super) const OPERATIONS: &[Operation] = operations! {
    "create an empty file" => |p| File::create(p.at("new"))?,
    "create a file with content" => |p| fs::write(p.at("new"), "text\n")?,
    "write a file anew" => |p| fs::write(p.at("file"), "another text\n")?,
    "append" => |p| append(&p.at("file"), "more\n")?,
    "truncate" => |p| OpenOptions::new().write(true).open(p.at("file"))?.set_len(3)?,
    "overwrite in place, same size" => |p| {
        OpenOptions::new().write(true).open(p.at("file"))?.write_at(b"CONTENT", 0)?
    },
    "open for writing and close" => |p| OpenOptions::new().write(true).open(p.at("file"))?,
    "copy a file" => |p| fs::copy(p.at("file"), p.at("copy"))?,
    "save by rename, as most editors do" => |p| save(&p.at("file"), &p.at(".file.tmp"))?,
    "save by rename with a backup, as vim does" => |p| {
        fs::rename(p.at("file"), p.at("file~"))?;
        fs::write(p.at("file"), "new text\n")?;
        fs::remove_file(p.at("file~"))?
    },
    "write in a folder further down" => |p| fs::write(p.at("sub/deep/leaf"), "text\n")?,
    "write two files in turn" => |p| {
        let mut first = OpenOptions::new().append(true).open(p.at("file"))?;
        let mut second = OpenOptions::new().append(true).open(p.at("sub/inner"))?;
        for _ in 0..3 {
            first.write_all(b"a")?;
            second.write_all(b"b")?;
        }
    },
    "rename within a folder" => |p| fs::rename(p.at("file"), p.at("renamed"))?,
    "rename into another folder" => |p| fs::rename(p.at("file"), p.at("sub/moved"))?,
    "rename over an existing file" => |p| fs::rename(p.at("file"), p.at("other"))?,
    "rename out of the share" => |p| fs::rename(p.at("file"), p.out("gone"))?,
    "rename into the share" => |p| fs::rename(p.out("stranger"), p.at("new"))?,
    "rename into the share, over a file" => |p| fs::rename(p.out("stranger"), p.at("file"))?,
    "delete a file" => |p| fs::remove_file(p.at("file"))?,
    "delete and create anew" => |p| {
        fs::remove_file(p.at("file"))?;
        fs::write(p.at("file"), "text\n")?
    },
    "make a folder" => |p| fs::create_dir(p.at("folder"))?,
    "remove an empty folder" => |p| fs::remove_dir(p.at("empty"))?,
    "remove a folder with its content" => |p| {
        // One by one and in this order: a system lists a folder in an order of its own.
        fs::remove_file(p.at("sub/deep/leaf"))?;
        fs::remove_dir(p.at("sub/deep"))?;
        fs::remove_file(p.at("sub/inner"))?;
        fs::remove_dir(p.at("sub"))?
    },
    "rename a folder, then write in it" => |p| {
        fs::rename(p.at("sub"), p.at("dir"))?;
        fs::write(p.at("dir/inner"), "text\n")?
    },
    "rename a folder into another" => |p| fs::rename(p.at("empty"), p.at("sub/empty"))?,
    "rename a folder over an empty one" => |p| fs::rename(p.at("sub"), p.at("empty"))?,
    "rename a folder out of the share" => |p| fs::rename(p.at("sub"), p.out("sub"))?,
    "rename a folder into the share" => |p| fs::rename(p.out("folder"), p.at("folder"))?,
    "change a file's mode" => |p| fs::set_permissions(p.at("file"), Permissions::from_mode(0o600))?,
    "change a folder's mode" => |p| fs::set_permissions(p.at("sub"), Permissions::from_mode(0o700))?,
    "set a file's times" => |p| {
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let times = fs::FileTimes::new().set_modified(then).set_accessed(then);
        File::open(p.at("file"))?.set_times(times)?
    },
    "make a symbolic link" => |p| symlink("other", p.at("new-link"))?,
    "make a symbolic link that leads nowhere" => |p| symlink("nowhere", p.at("new-link"))?,
    "replace a symbolic link" => |p| {
        symlink("other", p.at(".link"))?;
        fs::rename(p.at(".link"), p.at("link"))?
    },
    "delete a symbolic link" => |p| fs::remove_file(p.at("link"))?,
    "write through a symbolic link" => |p| fs::write(p.at("link"), "text\n")?,
    "make a hard link" => |p| fs::hard_link(p.at("file"), p.at("hard"))?,
    "delete one of two hard links" => |p| fs::remove_file(p.at("twin"))?,
    "delete both hard links" => |p| {
        fs::remove_file(p.at("twin"))?;
        fs::remove_file(p.at("pair"))?
    },
    "a name with spaces" => |p| {
        fs::write(p.at("a name with  spaces "), "text\n")?;
        fs::rename(p.at("a name with  spaces "), p.at("another name"))?
    },
    "a name that is not ASCII" => |p| fs::write(p.at("Grüße 文件 😀.txt"), "text\n")?,
    "a name of 255 bytes" => |p| fs::write(p.at(&"n".repeat(255)), "text\n")?,
    "1,000 files at once" => |p| {
        for i in 0..1000 {
            fs::write(p.at(&format!("sub/many-{i}")), "text\n")?;
        }
    },
};

fn append(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// A new file takes the old one's place.
pub(super) fn save(path: &Path, beside: &Path) -> Result<()> {
    fs::write(beside, "saved text\n")?;
    Ok(fs::rename(beside, path)?)
}
