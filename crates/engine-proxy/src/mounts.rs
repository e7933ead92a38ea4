//! Which folders of the host a request may mount. No network in here, and of the host's
//! file system only its symbolic links.
//!
//! The guest holds the shared folders at the same paths, so a source under one is passed on
//! as it was written. What the check gives a person is a clear sentence where a container
//! would otherwise find an empty folder; what the VM cannot see at all is kept from it by
//! the shares themselves.

pub(crate) mod json;
mod resolve;
mod route;
mod source;

use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

pub(crate) use route::Route;

use json::Patches;
use source::{Judge, Judgement};

/// What may be mounted from the host.
#[derive(Clone, Debug, Default)]
pub struct MountPolicy {
    /// Folders that the VM sees, at the same path.
    pub shares: Vec<PathBuf>,
    /// The daemon's own state: never mountable, also where a share holds it.
    pub private: Vec<PathBuf>,
    /// Where the engine's socket is on the host; mounted, they mean the engine's own.
    pub engine_sockets: Vec<PathBuf>,
}

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send it as it came.
    Pass,
    /// Send this body instead; every byte but the changed paths is the client's.
    Rewrite(Vec<u8>),
    /// Answer with this sentence.
    Refuse(String),
}

/// Judges the body of a request to `route`. What is not JSON is left to the engine to refuse.
pub(crate) fn check(route: Route, body: &[u8], policy: &MountPolicy) -> Verdict {
    check_with(route, body, policy, &|path| std::fs::read_link(path).ok())
}

/// The same, with a host whose symbolic links are given.
pub(crate) fn check_with(
    route: Route,
    body: &[u8],
    policy: &MountPolicy,
    read_link: &dyn Fn(&Path) -> Option<PathBuf>,
) -> Verdict {
    let Some((text, root)) = json::parse(body) else {
        return Verdict::Pass;
    };
    let mut check = Check {
        judge: Judge::new(policy, read_link),
        patches: Patches::new(text),
    };
    let outcome = match route {
        Route::ContainerCreate => check.container(root),
        Route::Service => check.service(root),
        Route::VolumeCreate => check.driver(root, "Driver", "DriverOpts"),
        // It names no folder.
        Route::SwarmInit => Ok(()),
    };
    match outcome {
        Err(message) => Verdict::Refuse(message),
        Ok(()) => match check.patches.apply() {
            Some(changed) => Verdict::Rewrite(changed),
            None => Verdict::Pass,
        },
    }
}

/// Walks the places of a body that name sources. `Err` is the sentence of a refusal.
struct Check<'a> {
    judge: Judge<'a>,
    patches: Patches<'a>,
}

impl<'a> Check<'a> {
    fn container(&mut self, root: &'a RawValue) -> Result<(), String> {
        for host in json::fields(root, "HostConfig") {
            for bind in json::elements_of(host, "Binds") {
                self.bind(bind)?;
            }
            for mount in json::elements_of(host, "Mounts") {
                self.mount(mount)?;
            }
        }
        Ok(())
    }

    fn service(&mut self, root: &'a RawValue) -> Result<(), String> {
        for task in json::fields(root, "TaskTemplate") {
            for container in json::fields(task, "ContainerSpec") {
                for mount in json::elements_of(container, "Mounts") {
                    self.mount(mount)?;
                }
            }
        }
        Ok(())
    }

    /// `source:target[:options]`; a single part is an anonymous volume.
    fn bind(&mut self, raw: &'a RawValue) -> Result<(), String> {
        let Some(bind) = json::string(raw) else {
            return Ok(());
        };
        let Some((source, rest)) = bind.split_once(':') else {
            return Ok(());
        };
        match self.judge.source(source) {
            Judgement::AsWritten => Ok(()),
            Judgement::Instead(path) => {
                self.patches.replace(raw, &format!("{path}:{rest}"));
                Ok(())
            }
            Judgement::Refuse(message) => Err(message),
        }
    }

    fn mount(&mut self, raw: &'a RawValue) -> Result<(), String> {
        let kind = json::last_string(raw, "Type").unwrap_or_default();
        match kind.to_ascii_lowercase().as_str() {
            "bind" => self.strings(raw, "Source"),
            "volume" => {
                for options in json::fields(raw, "VolumeOptions") {
                    for driver in json::fields(options, "DriverConfig") {
                        self.driver(driver, "Name", "Options")?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A volume of the local driver that is a bind mount in disguise: `o=bind,device=/path`.
    fn driver(&mut self, raw: &'a RawValue, name: &str, options: &str) -> Result<(), String> {
        let driver = json::last_string(raw, name).unwrap_or_default();
        if !matches!(driver.as_str(), "" | "local") {
            return Ok(());
        }
        for options in json::fields(raw, options) {
            let flags = json::last_string(options, "o").unwrap_or_default();
            if flags
                .split(',')
                .any(|flag| matches!(flag, "bind" | "rbind"))
            {
                self.strings(options, "device")?;
            }
        }
        Ok(())
    }

    fn strings(&mut self, object: &'a RawValue, name: &str) -> Result<(), String> {
        for raw in json::fields(object, name) {
            let Some(source) = json::string(raw) else {
                continue;
            };
            match self.judge.source(&source) {
                Judgement::AsWritten => {}
                Judgement::Instead(path) => self.patches.replace(raw, &path),
                Judgement::Refuse(message) => return Err(message),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
