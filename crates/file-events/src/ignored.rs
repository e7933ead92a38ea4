use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// What nobody is told of: patterns as in a `.gitignore` at the root of each share.
#[derive(Clone, Debug)]
pub struct Ignored(Gitignore);

impl Ignored {
    /// Reads the patterns; the error is the end of a sentence and names the first that is none.
    pub fn parse(patterns: &[String]) -> Result<Self, String> {
        // Paths are given relative to the root.
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            builder
                .add_line(None, pattern)
                .map_err(|error| format!("holds {pattern:?}, which is no pattern ({error})"))?;
        }
        let matcher = builder
            .build()
            .map_err(|error| format!("cannot be used ({error})"))?;
        Ok(Self(matcher))
    }

    /// Whether this path below a share's root, or a folder that holds it, is left out.
    pub(crate) fn contains(&self, path: &Path, is_dir: bool) -> bool {
        !self.0.is_empty()
            && !path.as_os_str().is_empty()
            && self.0.matched_path_or_any_parents(path, is_dir).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_git() {
        let patterns = ["node_modules/", "*.swp", "/app/target", "!keep.swp"];
        let ignored = Ignored::parse(&patterns.map(str::to_owned)).unwrap();
        for (path, is_dir, expected) in [
            ("app/node_modules", true, true),
            ("app/node_modules/a/b.js", false, true),
            ("node_modules", false, false),
            ("x/.main.rs.swp", false, true),
            ("x/keep.swp", false, false),
            ("app/target/debug", true, true),
            ("other/target", true, false),
            ("", true, false),
        ] {
            assert_eq!(
                ignored.contains(Path::new(path), is_dir),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        let error = Ignored::parse(&["[z-a]".to_owned()]).unwrap_err();
        assert!(error.contains("\"[z-a]\""), "{error}");
    }
}
