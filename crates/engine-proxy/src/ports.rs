//! The host's address on which a new container publishes ports that name none.
//!
//! The engine's own setting for it holds for its first network alone, and an option of a network for
//! that network; so the address is written into the request that makes the container, where the engine keeps it
//! and shows it (`docs/adr/0014-default-publish-address.md`).
//!
//! `PublishAllPorts` publishes what the image exposes, too: which ports these are is asked of the engine, and each
//! gets an entry of its own.

use std::collections::HashSet;
use std::net::IpAddr;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::connection::Context;
use crate::exchange;
use crate::mounts::json::{self, Patches};

/// The body with the address where it names none.
///
/// Refused with the engine's answer when that does not say which ports an image exposes.
pub(crate) async fn place(
    context: &Context,
    body: Bytes,
    address: IpAddr,
) -> Result<Bytes, (StatusCode, String)> {
    let exposed = match image_to_publish(&body) {
        Some(image) => exposed_by(context, &image).await?,
        None => Vec::new(),
    };
    Ok(match fill(&body, address, &exposed) {
        Some(changed) => changed.into(),
        None => body,
    })
}

/// The image all of whose ports are to be published.
fn image_to_publish(body: &[u8]) -> Option<String> {
    let (_, root) = json::parse(body)?;
    publishes_all(root).then(|| json::last_string(root, "Image"))?
}

fn publishes_all(root: &RawValue) -> bool {
    json::fields(root, "HostConfig")
        .into_iter()
        .flat_map(|host| json::fields(host, "PublishAllPorts"))
        .filter_map(|all| serde_json::from_str(all.get()).ok())
        .next_back()
        .unwrap_or(false)
}

/// The ports of an image as `80/tcp`; none of one that is not there, which the engine says when it is
/// to make the container.
async fn exposed_by(context: &Context, image: &str) -> Result<Vec<String>, (StatusCode, String)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Image {
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        exposed_ports: Option<Map<String, Value>>,
    }
    let failed = |why: String| {
        let message = format!("the ports of the image {image} are not known: {why}");
        (StatusCode::BAD_GATEWAY, message)
    };
    let path = format!("/images/{}/json", in_path(image));
    let answer = exchange::ask(context, Method::GET, &path, &Value::Null).await;
    let (status, text) = answer.map_err(failed)?;
    match status {
        StatusCode::OK => {
            let image: Image =
                serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
            let ports = image.config.and_then(|config| config.exposed_ports);
            Ok(ports.into_iter().flatten().map(|(port, _)| port).collect())
        }
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(Vec::new()),
        status => {
            let said: Option<Value> = serde_json::from_str(&text).ok();
            let message = said.as_ref().and_then(|said| said["message"].as_str());
            Err((status, message.unwrap_or(&text).to_owned()))
        }
    }
}

/// As a part of a path, in which the slashes of a name stay.
fn in_path(name: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/:@.-_".contains(byte);
    name.bytes()
        .map(|byte| match plain(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// The changed body, or `None` when it names an address everywhere.
pub(crate) fn fill(body: &[u8], address: IpAddr, exposed: &[String]) -> Option<Vec<u8>> {
    let (text, root) = json::parse(body)?;
    let mut fill = Fill {
        patches: Patches::new(text),
        address: Value::from(address.to_string()).to_string(),
    };
    let mut bound = HashSet::new();
    for host in json::fields(root, "HostConfig") {
        for bindings in json::fields(host, "PortBindings") {
            for (port, list) in json::entries(bindings) {
                fill.port(list);
                bound.insert(port);
            }
        }
    }
    if publishes_all(root) {
        let own = json::fields(root, "ExposedPorts");
        let own = own.into_iter().flat_map(json::entries);
        let mut ports: Vec<String> = own.map(|(port, _)| port).collect();
        ports.extend_from_slice(exposed);
        // What the engine would add by itself, without an address.
        ports.retain(|port| bound.insert(port.clone()));
        fill.add(root, &ports);
    }
    fill.patches.apply()
}

struct Fill<'a> {
    patches: Patches<'a>,
    /// As JSON.
    address: String,
}

impl<'a> Fill<'a> {
    fn binding(&self) -> String {
        format!("{{\"HostIp\":{}}}", self.address)
    }

    /// All bindings of one port. An empty list is one without an address for the engine.
    fn port(&mut self, list: &'a RawValue) {
        match json::elements(list) {
            Some(bindings) if !bindings.is_empty() => {
                for binding in bindings {
                    self.fill(binding);
                }
            }
            None if list.get() != "null" => {}
            _ => self
                .patches
                .replace_json(list, format!("[{}]", self.binding())),
        }
    }

    fn fill(&mut self, binding: &'a RawValue) {
        if binding.get() == "null" {
            return self.patches.replace_json(binding, self.binding());
        }
        if !binding.get().starts_with('{') {
            return;
        }
        let given = json::fields(binding, "HostIp");
        // What is no address is none to the engine.
        let is_none = |given: &RawValue| {
            given.get() == "null"
                || json::string(given).is_some_and(|text| text.parse::<IpAddr>().is_err())
        };
        match given.last() {
            None => self.patches.add_field(binding, "HostIp", &self.address),
            Some(last) if is_none(last) => {
                for one in given {
                    self.patches.replace_json(one, self.address.clone());
                }
            }
            Some(_) => {}
        }
    }

    /// Publishes ports that have no binding yet.
    fn add(&mut self, root: &'a RawValue, ports: &[String]) {
        let hosts = json::fields(root, "HostConfig");
        let is_object = |host: &&RawValue| host.get().starts_with('{');
        let Some(host) = hosts.into_iter().rfind(is_object) else {
            return;
        };
        if ports.is_empty() {
            return;
        }
        let list = format!("[{}]", self.binding());
        let fields: Vec<_> = ports
            .iter()
            .map(|port| (port.as_str(), list.as_str()))
            .collect();
        match json::fields(host, "PortBindings").pop() {
            Some(bindings) if bindings.get().starts_with('{') => {
                self.patches.add_fields(bindings, &fields);
            }
            Some(null) if null.get() == "null" => {
                self.patches.replace_json(null, json::object(&fields));
            }
            Some(_) => {}
            None => {
                let all = json::object(&fields);
                self.patches.add_field(host, "PortBindings", &all);
            }
        }
    }
}

#[cfg(test)]
mod tests;
