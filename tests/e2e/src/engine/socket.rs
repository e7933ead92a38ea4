use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use coracle_vm_harness::Coracle;

use crate::images;
use crate::suite::contains;

pub(super) fn only_the_user_may_open_it(coracle: &Coracle) -> Result<()> {
    let paths = coracle.paths();
    for socket in [paths.engine_socket(), paths.daemon_socket()] {
        let mode = fs::metadata(&socket)?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "{} is of mode {mode:o}", socket.display());
    }
    for folder in [
        paths.home().to_owned(),
        paths.run_dir(),
        paths.vm_dir(),
        paths.log_dir(),
    ] {
        let mode = fs::metadata(&folder)?.permissions().mode() & 0o777;
        ensure!(mode == 0o700, "{} is of mode {mode:o}", folder.display());
    }
    Ok(())
}

/// As tools do that are run in a container and drive the engine from there.
const FIND_MYSELF: &str = "
import http.client, json, socket
class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect('/var/run/docker.sock')
engine = Engine('docker')
engine.request('GET', '/containers/' + socket.gethostname() + '/json')
print(json.load(engine.getresponse())['Name'])
";

pub(super) fn mounted_socket_leads_to_the_same_engine(coracle: &Coracle) -> Result<()> {
    let image = images::voting_app(coracle)?;
    let socket = "/var/run/docker.sock:/var/run/docker.sock";
    let name = "looks-at-itself";
    let run = [
        "run", "--rm", "--user", "0", "--name", name, "--volume", socket, image,
    ];
    let seen = coracle
        .docker(run)
        .args(["python3", "-c", FIND_MYSELF])
        .text()?;
    contains(&seen, &[name])
}
