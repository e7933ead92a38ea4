//! What a verb works with.

use coracle_daemon_api::Client;
use coracle_host_paths::HostPaths;

use crate::failure::Failure;
use crate::output::Output;

/// One state folder, the client of its daemon, and where results go.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) paths: HostPaths,
    pub(crate) client: Client,
    pub(crate) output: Output,
}

impl Session {
    /// From the environment. Nothing is made or contacted.
    pub(crate) fn from_env(output: Output) -> Result<Self, Failure> {
        let paths = HostPaths::from_env()?;
        let client = Client::new(&paths.daemon_socket());
        Ok(Self {
            paths,
            client,
            output,
        })
    }
}
