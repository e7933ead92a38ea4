//! Who owns what: the rule of `docs/adr/0004-file-ownership.md`. On the host everything is the
//! user's; in the guest everything is seen as it is on the host, and the guest's kernel decides by that.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use super::inside::Inside;
use crate::suite::contains;

/// Neither root nor the user, as the postgres image's own user is.
const OTHER: &str = "999:999";

/// The user whose Coracle it is.
fn user() -> Result<(u32, u32)> {
    let own = fs::metadata("/proc/self")?;
    Ok((own.uid(), own.gid()))
}

fn is_the_users(path: &Path) -> Result<()> {
    let found = fs::symlink_metadata(path)?;
    let owner = (found.uid(), found.gid());
    ensure!(
        owner == user()?,
        "{} belongs to {owner:?}, not {:?}",
        path.display(),
        user()?
    );
    Ok(())
}

pub(super) fn created_files_belong_to_the_user(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "owners")?;
    inside.run("chmod 777 .; echo x >file; mkdir folder; ln -s file link; mkfifo pipe")?;
    inside
        .script_as(OTHER, "echo x >of-other; mkdir folder-of-other")
        .ok()?;
    for name in [
        "file",
        "folder",
        "link",
        "pipe",
        "of-other",
        "folder-of-other",
    ] {
        is_the_users(&inside.host(name))?;
    }
    // So that nothing needs root on the host to be removed.
    fs::remove_dir_all(inside.host("folder-of-other"))?;
    Ok(())
}

pub(super) fn as_root(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "as-root")?;
    let (uid, gid) = user()?;
    fs::write(inside.host("private"), "secret")?;
    fs::set_permissions(inside.host("private"), fs::Permissions::from_mode(0o600))?;
    let seen = inside.text("cat private; stat -c ' %u:%g' private")?;
    ensure!(seen == format!("secret {uid}:{gid}"), "root sees {seen:?}");
    // It may say chown, as images do that prepare their folders; the owner stays.
    inside.run("echo x >new && chown 999:999 new && chown 0:0 private && chmod 640 new")?;
    let seen = inside.text("stat -c %u:%g:%a new")?;
    ensure!(
        seen == format!("{uid}:{gid}:640"),
        "after chown it is {seen}"
    );
    is_the_users(&inside.host("new"))?;
    is_the_users(&inside.host("private"))
}

pub(super) fn as_the_user(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "as-user")?;
    let (uid, gid) = user()?;
    let me = format!("{uid}:{gid}");
    fs::write(inside.host("mine"), "one\n")?;
    fs::set_permissions(inside.host("mine"), fs::Permissions::from_mode(0o600))?;
    let script = format!(
        "echo two >>mine && echo x >new && chmod 600 new && chown {me} new && stat -c %u:%g new"
    );
    let seen = inside.script_as(&me, &script).text()?;
    ensure!(seen == me, "it sees {seen}");
    ensure!(
        fs::read_to_string(inside.host("mine"))? == "one\ntwo\n",
        "nothing was appended"
    );
    is_the_users(&inside.host("new"))
}

pub(super) fn as_another(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "as-another")?;
    let (uid, gid) = user()?;
    fs::set_permissions(inside.host(""), fs::Permissions::from_mode(0o755))?;
    for (name, mode) in [("public", 0o644), ("private", 0o600)] {
        fs::write(inside.host(name), name)?;
        fs::set_permissions(inside.host(name), fs::Permissions::from_mode(mode))?;
    }
    fs::create_dir(inside.host("open"))?;
    fs::set_permissions(inside.host("open"), fs::Permissions::from_mode(0o777))?;
    let other = |script: &str| inside.script_as(OTHER, script);
    ensure!(
        other("cat public").text()? == "public",
        "it cannot read what all may read"
    );
    for refused in ["cat private", "touch new", "echo x >public", "rm public"] {
        contains(&other(refused).refused()?, &["Permission denied"])?;
    }
    // It may make a file where all may write, which then is the user's like any other.
    let seen = other("echo x >open/made && stat -c %u:%g open/made").text()?;
    ensure!(seen == format!("{uid}:{gid}"), "its file is of {seen}");
    is_the_users(&inside.host("open/made"))?;
    contains(
        &other("chown 999:999 open/made").refused()?,
        &["Operation not permitted"],
    )?;
    contains(
        &other("echo more >>open/made").refused()?,
        &["Permission denied"],
    )?;
    // What really is another's on the host is shown as such; only root can make it so.
    if uid == 0 {
        chown(inside.host("public"), Some(999), Some(999))?;
        fs::set_permissions(inside.host("public"), fs::Permissions::from_mode(0o600))?;
        let seen = other("cat public; stat -c ' %u:%g' public").text()?;
        ensure!(seen == "public 999:999", "it sees {seen:?}");
    }
    Ok(())
}
