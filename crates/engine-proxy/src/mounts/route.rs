//! Which requests are read whole: those that can name folders of the host, and few others.

use http::Method;

/// A request whose body is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `POST /containers/create`
    ContainerCreate,
    /// `POST /services/create` and `POST /services/{id}/update`
    Service,
    /// `POST /volumes/create`
    VolumeCreate,
    /// `POST /swarm/init`
    SwarmInit,
}

impl Route {
    /// The route of a request; the path may begin with an API version.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        if method != Method::POST {
            return None;
        }
        let path = decode(path);
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.first().is_some_and(|part| is_version(part)) {
            parts.remove(0);
        }
        match parts[..] {
            ["containers", "create"] => Some(Self::ContainerCreate),
            ["services", "create"] | ["services", _, "update"] => Some(Self::Service),
            ["volumes", "create"] => Some(Self::VolumeCreate),
            ["swarm", "init"] => Some(Self::SwarmInit),
            _ => None,
        }
    }
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|number| {
        number.starts_with(|c: char| c.is_ascii_digit())
            && number.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
}

/// Undoes percent encoding, as the engine does before it looks at a path.
fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        (bytes, rest) = match code {
            Some(byte) => {
                bytes.push(byte);
                (bytes, &tail[2..])
            }
            None => {
                bytes.push(first);
                (bytes, tail)
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_name_a_folder_is_read() {
        let post = |path| Route::of(&Method::POST, path);
        assert_eq!(post("/containers/create"), Some(Route::ContainerCreate));
        assert_eq!(
            post("/v1.45/containers/create"),
            Some(Route::ContainerCreate)
        );
        assert_eq!(
            post("/v1.45/containers/%63reate"),
            Some(Route::ContainerCreate)
        );
        assert_eq!(post("//v2/services/create"), Some(Route::Service));
        assert_eq!(post("/v1.45/services/web/update"), Some(Route::Service));
        assert_eq!(post("/v1.45/swarm/init"), Some(Route::SwarmInit));
        assert_eq!(post("/volumes/create"), Some(Route::VolumeCreate));
        for other in [
            "/v1.45/containers/create/start",
            "/v1.45/containers/vcreate/update",
            "/v1.45/images/create",
            "/v1.45/swarm/update",
            "/vx/containers/create",
            "/",
            "/%",
            "/%zz",
        ] {
            assert_eq!(post(other), None, "{other}");
        }
        assert_eq!(Route::of(&Method::GET, "/containers/create"), None);
    }
}
