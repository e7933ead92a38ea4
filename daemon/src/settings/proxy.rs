//! The proxies of the engine.

use serde_json::{Map, Value, json};

use super::url::{HOST, Url};

/// The proxies of the host, as its environment names them; empty without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For plain HTTP, a URL.
    pub http: String,
    /// For HTTPS, a URL.
    pub https: String,
    /// What is reached without one: names, domains, networks, with commas between.
    pub no_proxy: String,
}

impl Proxies {
    /// Those of this process's environment. What is no URL counts as none.
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| {
            variable(name)
                .or_else(|| variable(&name.to_ascii_uppercase()))
                .unwrap_or_default()
        };
        let url = |name: &str| {
            let text = value(name);
            let text = match text.contains("://") || text.is_empty() {
                true => text,
                false => format!("http://{text}"),
            };
            match check_url(&json!(text)) {
                Ok(()) => text,
                Err(_) => String::new(),
            }
        };
        Self {
            http: url("http_proxy"),
            https: url("https_proxy"),
            no_proxy: value("no_proxy"),
        }
    }

    /// The member `proxies` of the engine's `daemon.json`; `None` without a proxy.
    pub(super) fn for_engine(&self) -> Option<Map<String, Value>> {
        let mut members = Map::new();
        for (name, text) in [("http-proxy", &self.http), ("https-proxy", &self.https)] {
            if let Some(url) = Url::parse(text) {
                members.insert(name.into(), json!(url.for_guest()));
            }
        }
        if members.is_empty() {
            return None;
        }
        // A proxy could not reach the host under the name that only the guest knows.
        let own = [HOST, "gateway.docker.internal"].map(str::to_owned);
        let asked = self.no_proxy.split(',').map(|part| part.trim().to_owned());
        let all: Vec<String> = asked.filter(|part| !part.is_empty()).chain(own).collect();
        members.insert("no-proxy".into(), json!(all.join(",")));
        Some(members)
    }
}

/// Refuses what is no URL of a proxy; the empty text is none.
pub(super) fn check_url(value: &Value) -> Result<(), String> {
    let fits = value.as_str().is_some_and(|text| {
        text.is_empty()
            || Url::parse(text).is_some_and(|url| ["http", "https", "socks5"].contains(&url.scheme))
    });
    fits.then_some(()).ok_or_else(|| {
        format!(
            "must be a URL such as http://proxy.example.com:3128, or \"\" for none, not {value}"
        )
    })
}

/// Refuses what is no text on one line.
pub(super) fn check_exceptions(value: &Value) -> Result<(), String> {
    let fits = value
        .as_str()
        .is_some_and(|text| !text.contains(char::is_control));
    fits.then_some(()).ok_or_else(|| {
        format!("must be names, domains and networks with commas between, such as \"corp.example.com,10.0.0.0/8\", not {value}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_environment_is_read_as_others_read_it() {
        let proxies = Proxies::from_variables(|name| {
            let value = match name {
                "http_proxy" => "proxy.corp:3128",
                "HTTP_PROXY" => "http://never:1",
                "HTTPS_PROXY" => "http://localhost:3129",
                "no_proxy" => "corp, 10.0.0.0/8,",
                _ => return None,
            };
            Some(value.to_owned())
        });
        assert_eq!(proxies.http, "http://proxy.corp:3128");
        let engine = Value::Object(proxies.for_engine().unwrap());
        let wanted = json!({
            "http-proxy": "http://proxy.corp:3128",
            "https-proxy": "http://host.docker.internal:3129",
            "no-proxy": "corp,10.0.0.0/8,host.docker.internal,gateway.docker.internal",
        });
        assert_eq!(engine, wanted);
        let odd = Proxies::from_variables(|_| Some("a b".into()));
        assert_eq!((odd.http.as_str(), odd.for_engine()), ("", None));
    }

    #[test]
    fn what_is_no_proxy_is_refused_with_an_example() {
        for value in [
            json!("proxy:3128"),
            json!("ftp://x"),
            json!(3128),
            json!(["http://x"]),
        ] {
            let why = check_url(&value).unwrap_err();
            assert!(why.contains("http://proxy.example.com:3128"), "{why}");
        }
        check_url(&json!("")).unwrap();
        check_url(&json!("socks5://me:secret@proxy:1080")).unwrap();
        assert!(check_exceptions(&json!(["x"])).is_err());
    }
}
