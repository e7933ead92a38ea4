//! Headers that belong to one connection and are not passed on.

use http::HeaderMap;
use http::header::{CONNECTION, EXPECT, HOST, HeaderName, HeaderValue, TE, UPGRADE};
use http::{Request, Version};

/// What the `Connection` header may name without losing it: trailers are passed on.
const KEPT: [HeaderName; 2] = [TE, UPGRADE];

/// Whether the headers ask for, or grant, another protocol.
pub(crate) fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
        && connection_tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

/// Makes a client's request one of our own connection to the engine.
pub(crate) fn for_engine<T>(request: &mut Request<T>) {
    // What a client of HTTP/1.0 may leave out, and the engine of HTTP/1.1 asks for.
    if request.version() < Version::HTTP_11 && !request.headers().contains_key(HOST) {
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("localhost"));
    }
    *request.version_mut() = Version::HTTP_11;
    // The client's `100-continue` is answered when its body is first read.
    request.headers_mut().remove(EXPECT);
    strip_connection(request.headers_mut());
}

/// Removes the headers of one hop; an upgrade is kept.
pub(crate) fn strip_connection(headers: &mut HeaderMap) {
    let upgrade = wants_upgrade(headers);
    let named: Vec<HeaderName> = connection_tokens(headers)
        .filter_map(|token| token.parse().ok())
        .filter(|name| !KEPT.contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    if upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    } else {
        headers.remove(UPGRADE);
    }
}

fn connection_tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(pairs: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        strip_connection(&mut headers);
        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        left.sort();
        left
    }

    #[test]
    fn headers_of_one_hop_stay_behind() {
        let left = stripped(&[
            ("connection", "keep-alive, X-Hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("upgrade", "h2c"),
            ("x-registry-auth", "e30="),
        ]);
        assert_eq!(left, [("x-registry-auth".into(), "e30=".into())]);
    }

    #[test]
    fn upgrades_and_trailers_are_kept() {
        let left = stripped(&[
            ("connection", "TE, upgrade"),
            ("upgrade", "tcp"),
            ("te", "trailers"),
        ]);
        let expected = [
            ("connection", "Upgrade"),
            ("te", "trailers"),
            ("upgrade", "tcp"),
        ];
        assert_eq!(
            left,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}
