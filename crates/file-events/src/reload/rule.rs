use std::fmt;
use std::path::Path;

use crate::containers::Container;
use crate::ignored::Ignored;

/// Says what to do on a change.
const RELOAD: &str = "dev.coracle.reload";

/// Says for which files; for all that are mounted, without it.
const PATHS: &str = "dev.coracle.reload.paths";

/// What one container's labels say.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) action: Action,
    paths: Option<Ignored>,
}

/// What is done to a container whose files have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Restart,
    /// To its main process; the name without SIG.
    Signal(String),
    Exec(Vec<String>),
}

impl Rule {
    /// `None` without a label; the error is a clause.
    pub(super) fn of(container: &Container) -> Option<Result<Self, String>> {
        let action = match Action::parse(container.label(RELOAD)?) {
            Ok(action) => action,
            Err(why) => return Some(Err(why)),
        };
        let patterns = container.label(PATHS).map(|text| {
            let patterns = text.split([',', '\n']).map(str::trim);
            let patterns: Vec<_> = patterns
                .filter(|pattern| !pattern.is_empty())
                .map(str::to_owned)
                .collect();
            Ignored::parse(&patterns).map_err(|why| format!("its label {PATHS} {why}"))
        });
        Some(patterns.transpose().map(|paths| Self { action, paths }))
    }

    /// Whether a change of this path of the container counts.
    pub(super) fn concerns(&self, place: &Path) -> bool {
        let Some(paths) = &self.paths else {
            return true;
        };
        let relative = place.strip_prefix("/").unwrap_or(place);
        // What it is now is not known, and a pattern that ends with a slash means folders.
        paths.contains(relative, false) || paths.contains(relative, true)
    }
}

impl Action {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "its label {RELOAD} is {text:?}, and can be restart, signal:NAME or exec:COMMAND"
            )
        };
        let (verb, rest) = text.split_once(':').unwrap_or((text, ""));
        match (verb.trim(), rest.trim()) {
            ("restart", "") => Ok(Self::Restart),
            ("signal", name) => {
                let name = name.strip_prefix("SIG").unwrap_or(name);
                let is_name = (1..=12).contains(&name.len())
                    && name.bytes().all(|byte| {
                        byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"+-".contains(&byte)
                    });
                is_name
                    .then(|| Self::Signal(name.to_owned()))
                    .ok_or_else(wrong)
            }
            ("exec", list) if list.starts_with('[') => {
                let words: Vec<String> = serde_json::from_str(list).map_err(|_| wrong())?;
                (!words.is_empty())
                    .then_some(Self::Exec(words))
                    .ok_or_else(wrong)
            }
            ("exec", command) if !command.is_empty() => Ok(Self::Exec(
                ["/bin/sh", "-c", command].map(str::to_owned).into(),
            )),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart => f.write_str("restart"),
            Self::Signal(name) => write!(f, "signal {name}"),
            Self::Exec(words) => write!(f, "exec {}", words.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: serde_json::Value) -> Option<Result<Rule, String>> {
        let container = serde_json::json!({ "Id": "a", "Labels": labels });
        Rule::of(&serde_json::from_value(container).unwrap())
    }

    #[test]
    fn labels_say_what_to_do() {
        let exec = |words: &[&str]| Action::Exec(words.iter().map(|&word| word.into()).collect());
        for (text, action) in [
            ("restart", Action::Restart),
            ("signal:HUP", Action::Signal("HUP".into())),
            ("signal: SIGUSR1", Action::Signal("USR1".into())),
            (
                "exec:nginx -s reload",
                exec(&["/bin/sh", "-c", "nginx -s reload"]),
            ),
            (r#"exec:["/reload", "a:b"]"#, exec(&["/reload", "a:b"])),
        ] {
            let rule = of(serde_json::json!({ RELOAD: text })).unwrap().unwrap();
            assert_eq!(rule.action, action, "{text}");
            assert!(rule.concerns(Path::new("/any")));
        }
        assert!(of(serde_json::json!({})).is_none());
    }

    #[test]
    fn what_cannot_be_done_is_told() {
        for text in [
            "",
            "reboot",
            "restart:now",
            "signal:",
            "signal:hup;",
            "exec:",
            "exec:[]",
        ] {
            let error = of(serde_json::json!({ RELOAD: text }))
                .unwrap()
                .unwrap_err();
            assert!(error.contains("signal:NAME"), "{error}");
        }
        let labels = serde_json::json!({ RELOAD: "restart", PATHS: "*.py, [z-a]" });
        let error = of(labels).unwrap().unwrap_err();
        assert!(error.contains("[z-a]"), "{error}");
    }

    #[test]
    fn paths_are_those_of_the_container() {
        let labels = serde_json::json!({ RELOAD: "restart", PATHS: "/app/src, *.conf\n!x.conf" });
        let rule = of(labels).unwrap().unwrap();
        for (path, concerned) in [
            ("/app/src/a/b.py", true),
            ("/app/src", true),
            ("/app/other.py", false),
            ("/etc/nginx/site.conf", true),
            ("/etc/x.conf", false),
        ] {
            assert_eq!(rule.concerns(Path::new(path)), concerned, "{path}");
        }
    }
}
