use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use super::inside::Inside;
use crate::images;
use crate::suite::contains;

pub(super) fn folder_outside_the_shares_is_refused(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let outside = "/usr/share";
    for mount in [
        ["--volume", "/usr/share:/data"],
        ["--mount", "type=bind,source=/usr/share,target=/data"],
    ] {
        let said = coracle
            .docker(["run", "--rm"])
            .args(mount)
            .args([image, "ls", "/data"])
            .refused()?;
        contains(&said, &[outside, "shares"])?;
    }
    // Nor by a way round, or with a volume that is a bind mount in disguise.
    let round = format!(
        "{}/../../../../usr/share:/data",
        coracle.work("round")?.display()
    );
    let said = coracle
        .docker(["run", "--rm", "--volume", &round, image, "ls", "/data"])
        .refused()?;
    contains(&said, &["shares"])?;
    let disguised = [
        "--opt",
        "type=none",
        "--opt",
        "o=bind",
        "--opt",
        "device=/usr/share",
        "disguised",
    ];
    contains(
        &coracle
            .docker(["volume", "create"])
            .args(disguised)
            .refused()?,
        &[outside, "shares"],
    )
}

pub(super) fn link_out_of_the_shares_is_refused(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let link = coracle.work("link-out")?.join("link");
    symlink("/usr/share", &link)?;
    let mount = format!("{}:/data", link.display());
    let said = coracle
        .docker(["run", "--rm", "--volume", &mount, image, "ls", "/data"])
        .refused()?;
    contains(&said, &["/usr/share", "shares"])
}

pub(super) fn state_folder_is_not_in_the_share(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let disk = coracle.paths().data_disk();
    ensure!(disk.exists(), "{} is where we look", disk.display());
    let home = format!("{}:/home-of-user", coracle.home().display());
    let script = "ls /home-of-user/work >/dev/null && find /home-of-user/.coracle; touch /home-of-user/.coracle/new";
    let outcome = coracle
        .docker(["run", "--rm", "--volume", &home, image, "sh", "-c", script])
        .run()?;
    let found: Vec<_> = outcome.text().lines().map(str::to_owned).collect();
    ensure!(
        found == ["/home-of-user/.coracle"],
        "a container sees {found:?}"
    );
    ensure!(!outcome.status.success(), "a container writes there");
    // Asked for by name it is refused, or as empty as that.
    let state = format!("{}:/state", coracle.paths().home().display());
    let run = [
        "run", "--rm", "--volume", &state, image, "ls", "-A", "/state",
    ];
    let outcome = coracle.docker(run).run()?;
    ensure!(
        !outcome.status.success() || outcome.stdout.is_empty(),
        "it sees {}",
        outcome.text()
    );
    Ok(())
}

pub(super) fn missing_folder_is_made(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let work = coracle.work("missing")?;
    let folder = work.join("new/deep");
    let mount = format!("{}:/data", folder.display());
    coracle
        .docker([
            "run",
            "--rm",
            "--volume",
            &mount,
            image,
            "touch",
            "/data/file",
        ])
        .ok()?;
    let owner = fs::metadata(&work)?.uid();
    for path in [work.join("new"), folder.clone(), folder.join("file")] {
        ensure!(
            fs::metadata(&path)?.uid() == owner,
            "{} is of another user",
            path.display()
        );
    }
    // --mount is stricter, as with a native engine.
    let other = work.join("other");
    let mount = format!("type=bind,source={},target=/data", other.display());
    let said = coracle
        .docker(["run", "--rm", "--mount", &mount, image, "true"])
        .refused()?;
    contains(&said, &["does not exist"])?;
    ensure!(!other.exists(), "--mount made it");
    Ok(())
}

/// A folder elsewhere is refused until it is a share, and its files are there after a restart.
pub(super) fn changed_shares_take_effect(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let outside = tempfile::Builder::new()
        .prefix("cr-share-")
        .tempdir_in("/var/tmp")?;
    fs::write(outside.path().join("file"), "elsewhere")?;
    let mount = format!("{}:/data", outside.path().display());
    let run = || {
        coracle.docker([
            "run",
            "--rm",
            "--volume",
            &mount,
            image,
            "cat",
            "/data/file",
        ])
    };
    contains(
        &run().refused()?,
        &[&outside.path().display().to_string(), "shares"],
    )?;
    let shares = [coracle.home(), &coracle.places().checkout];
    let set = || coracle.coracle(["config", "set", "shares"]).args(shares);
    set().arg(outside.path()).ok()?;
    coracle.coracle(["restart"]).ok()?;
    let read = run().text();
    set().ok()?;
    ensure!(read? == "elsewhere", "the container reads something else");
    let inside = Inside::start(coracle, "after-change")?;
    inside.run("touch there")?;
    ensure!(inside.host("there").exists(), "the first share is gone");
    Ok(())
}
