use std::fs::{self, OpenOptions};
use std::io::Write;

use anyhow::{Result, ensure};
use coracle_vm_harness::{Coracle, eventually};
use sha2::{Digest, Sha256};

use super::inside::Inside;
use crate::images;

pub(super) fn both_sides_read_what_the_other_wrote(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "both")?;
    fs::write(inside.host("from-host"), "hello\n")?;
    ensure!(
        inside.text("cat from-host")? == "hello",
        "the container reads something else"
    );
    inside.run("echo there >from-container && echo more >>from-host")?;
    ensure!(
        fs::read_to_string(inside.host("from-container"))? == "there\n",
        "not what was written"
    );
    ensure!(
        fs::read_to_string(inside.host("from-host"))? == "hello\nmore\n",
        "nothing was appended"
    );
    Ok(())
}

pub(super) fn edits_on_the_host_are_seen(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "edits")?;
    let file = inside.host("file");
    fs::write(&file, "one")?;
    ensure!(inside.text("cat file")? == "one", "not the first content");
    let sees = |wanted: &str| {
        eventually(&format!("{wanted:?} in the container"), || {
            let found = inside.text("cat file; ls")?;
            ensure!(found == format!("{wanted}file"), "it is {found:?}");
            Ok(())
        })
    };
    // In place, longer and of the same length; then as editors do, by a rename over it.
    fs::write(&file, "three")?;
    sees("three")?;
    fs::write(&file, "seven")?;
    sees("seven")?;
    fs::write(inside.host(".new"), "renamed")?;
    fs::rename(inside.host(".new"), &file)?;
    sees("renamed")?;
    fs::remove_file(&file)?;
    eventually("an empty folder in the container", || {
        let found = inside.text("ls")?;
        ensure!(found.is_empty(), "it holds {found:?}");
        Ok(())
    })
}

pub(super) fn large_file_is_intact(coracle: &Coracle) -> Result<()> {
    let inside = Inside::start(coracle, "large-file")?;
    let bytes = images::noise(64 << 20);
    fs::write(inside.host("original"), &bytes)?;
    let sum = inside.text("cp original copy && sha256sum <copy")?;
    ensure!(
        sum.starts_with(&format!("{:x}", Sha256::digest(&bytes))),
        "the container has {sum}"
    );
    ensure!(fs::read(inside.host("copy"))? == bytes, "the copy differs");
    Ok(())
}

pub(super) fn single_file(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let file = coracle.work("single")?.join("settings.conf");
    fs::write(&file, "first\n")?;
    let mount = format!("{}:/etc/settings.conf", file.display());
    let script = "cat /etc/settings.conf && echo second >>/etc/settings.conf";
    let read = coracle
        .docker(["run", "--rm", "--volume", &mount, image, "sh", "-c", script])
        .text()?;
    ensure!(read == "first", "the container reads {read:?}");
    ensure!(
        fs::read_to_string(&file)? == "first\nsecond\n",
        "nothing was appended"
    );
    Ok(())
}

pub(super) fn read_only(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let folder = coracle.work("read-only")?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("file"))?
        .write_all(b"kept")?;
    let mount = format!("{}:/data:ro", folder.display());
    let script = "cat /data/file; echo x >/data/file || touch /data/new || rm /data/file";
    let said = coracle
        .docker(["run", "--rm", "--volume", &mount, image, "sh", "-c", script])
        .refused()?;
    crate::suite::contains(&said, &["kept", "Read-only file system"])?;
    ensure!(
        fs::read(folder.join("file"))? == b"kept",
        "the file changed"
    );
    ensure!(!folder.join("new").exists(), "a file was made");
    Ok(())
}
