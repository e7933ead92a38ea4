use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use coracle_vm_harness::Program;

/// A certificate and its key, PEM files.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// An authority of our own.
pub(super) fn authority(folder: &Path, name: &str) -> Result<Pair> {
    let pair = pair(folder, name);
    openssl([
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-days",
        "2",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=keyCertSign",
    ])
    .args(["-subj", &format!("/CN={name}")])
    .arg("-out")
    .arg(&pair.certificate)
    .arg("-keyout")
    .arg(&pair.key)
    .ok()?;
    Ok(pair)
}

/// A server's certificate for the name, signed by the authority.
pub(super) fn server(folder: &Path, host: &str, authority: &Pair) -> Result<Pair> {
    let pair = pair(folder, host);
    let (request, extensions) = (folder.join("request.pem"), folder.join("extensions"));
    openssl([
        "req",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ])
    .args(["-subj", &format!("/CN={host}")])
    .arg("-out")
    .arg(&request)
    .arg("-keyout")
    .arg(&pair.key)
    .ok()?;
    fs::write(&extensions, format!("subjectAltName=DNS:{host}\n"))?;
    openssl(["x509", "-req", "-days", "2", "-CAcreateserial", "-in"])
        .arg(&request)
        .arg("-CA")
        .arg(&authority.certificate)
        .arg("-CAkey")
        .arg(&authority.key)
        .arg("-extfile")
        .arg(&extensions)
        .arg("-out")
        .arg(&pair.certificate)
        .ok()?;
    Ok(pair)
}

fn pair(folder: &Path, name: &str) -> Pair {
    Pair {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    }
}

fn openssl<const N: usize>(args: [&str; N]) -> Program {
    Program::new("openssl").args(args)
}
