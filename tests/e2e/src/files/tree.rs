use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};
use nix::sys::resource::{Resource, getrlimit};

use super::inside::Inside;

pub(super) fn modes(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "modes")?;
    inside.run("umask 022; echo x >plain; mkdir folder; echo x >private; chmod 600 private; echo x >run; chmod 755 run")?;
    for (name, wanted) in [
        ("plain", 0o644),
        ("folder", 0o755),
        ("private", 0o600),
        ("run", 0o755),
    ] {
        let mode = fs::metadata(inside.host(name))?.permissions().mode() & 0o7777;
        ensure!(mode == wanted, "{name} is of mode {mode:o}");
    }
    fs::set_permissions(inside.host("plain"), fs::Permissions::from_mode(0o640))?;
    eventually("the new mode in the container", || {
        let mode = inside.text("stat -c %a plain")?;
        ensure!(mode == "640", "it is {mode}");
        Ok(())
    })?;
    fs::write(inside.host("script"), "#!/bin/sh\necho ran\n")?;
    fs::set_permissions(inside.host("script"), fs::Permissions::from_mode(0o755))?;
    ensure!(
        inside.text("./script")? == "ran",
        "the host's script does not run"
    );
    Ok(())
}

pub(super) fn links(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "links")?;
    fs::write(inside.host("target"), "here")?;
    symlink("target", inside.host("from-host"))?;
    ensure!(
        inside.text("cat from-host && readlink from-host")? == "heretarget",
        "not the link"
    );
    inside.run("ln -s target from-container && ln target hard && ln -s nowhere dangling")?;
    ensure!(
        fs::read(inside.host("from-container"))? == b"here",
        "the link leads elsewhere"
    );
    ensure!(
        fs::read_link(inside.host("dangling"))?.as_os_str() == "nowhere",
        "not the link"
    );
    let (one, two) = (
        fs::metadata(inside.host("target"))?,
        fs::metadata(inside.host("hard"))?,
    );
    ensure!(one.ino() == two.ino() && one.nlink() == 2, "not one file");
    Ok(())
}

pub(super) fn rename_and_remove(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "rename")?;
    fs::create_dir(inside.host("one"))?;
    fs::write(inside.host("one/file"), "x")?;
    fs::write(inside.host("over"), "old")?;
    inside.run("mv one two && mv two/file over && rmdir two && test ! -e one")?;
    ensure!(
        fs::read(inside.host("over"))? == b"x",
        "the file was not renamed"
    );
    ensure!(
        !inside.host("two").exists() && !inside.host("one").exists(),
        "a folder is left"
    );
    // What is open stays readable after it was removed.
    let text = inside.text("exec 3<over; rm over; cat <&3")?;
    ensure!(text == "x" && !inside.host("over").exists(), "{text:?}");
    Ok(())
}

pub(super) fn unusual_names(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "unusual names, ü")?;
    let names = [
        "a b",
        "ä-ß-漢",
        "quote'\"",
        "-dash",
        "new\nline",
        &"n".repeat(255),
    ];
    for name in names {
        fs::write(inside.host(name), name)?;
    }
    let count = inside
        .text("n=0; for file in ./*; do cp -- \"$file\" /tmp/copy && n=$((n+1)); done; echo $n")?;
    ensure!(
        count == names.len().to_string(),
        "the container could read {count}"
    );
    inside.run("echo x >'made: ü'")?;
    ensure!(inside.host("made: ü").exists(), "not made");
    Ok(())
}

pub(super) fn thousands_of_files(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "tree")?;
    let folders = folders()?;
    for folder in 0..folders {
        let folder = inside.host(format!("host/{folder}"));
        fs::create_dir_all(&folder)?;
        for file in 0..100 {
            fs::write(folder.join(format!("file-{file}")), file.to_string())?;
        }
    }
    let seen = inside.text("find host -type f | wc -l; cat host/*/* | wc -c")?;
    let bytes = folders * (10 + 90 * 2);
    let files = folders * 100;
    ensure!(
        seen == format!("{files}\n{bytes}"),
        "the container saw {seen}"
    );
    inside.run("cp -r host copy && rm -r host")?;
    ensure!(!inside.host("host").exists(), "the tree is not removed");
    let mut count = 0;
    for folder in fs::read_dir(inside.host("copy"))? {
        for file in fs::read_dir(folder?.path())? {
            let file = file?;
            let name = file.file_name().to_string_lossy().replace("file-", "");
            ensure!(
                fs::read_to_string(file.path())? == name,
                "{} differs",
                file.path().display()
            );
            count += 1;
        }
    }
    ensure!(count == files, "the host sees {count}");
    Ok(())
}

/// Folders of a hundred files each: 10,000 files where the host lets two such trees be in use at once,
/// else as many as it does: `coracle status` tells of that limit.
fn folders() -> Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok((most / 4 / 100).clamp(1, 100))
}
