use std::env;
use std::path::Path;
use std::sync::OnceLock;

/// What spares memory. GDK and WebKit leave the graphics card alone, of which each opens the driver otherwise, even where
/// nothing is drawn with it. (The page's process opens it all the same.)
const SPARING: [(&str, &str); 6] = [
    (SWITCH, "1"),
    ("WEBKIT_DISABLE_DMABUF_RENDERER", "1"),
    // Any file ends the search for the card's.
    ("WEBKIT_WEB_RENDER_DEVICE_FILE", "/dev/null"),
    ("GDK_GL", "disable"),
    // The page's scripts run for moments: what would optimise them takes more than it gives.
    ("JSC_useDFGJIT", "0"),
    // In the page's process and the network's: each thread would have a heap of its own.
    ("MALLOC_ARENA_MAX", "1"),
];

/// WebKit's own, by which a user says that pages are drawn with the card.
const SWITCH: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

/// Variables that this program has set for itself.
static OWN: OnceLock<Vec<&'static str>> = OnceLock::new();

/// Has the app draw without the graphics card, unless the user says otherwise: the page moves little, and a third of
/// the window's memory would be the card's driver and its surfaces. No thread may run yet.
pub(crate) fn spare_memory() {
    // What WebKit takes for a wish to draw with it.
    if env::var_os(SWITCH).is_some_and(|value| value == "0") {
        return;
    }
    let mut own = Vec::new();
    for (name, value) in SPARING {
        if env::var_os(name).is_none() {
            // SAFETY: the caller is the only thread, so nobody reads the environment meanwhile.
            unsafe { env::set_var(name, value) };
            own.push(name);
        }
    }
    let _ = OWN.set(own);
}

/// What this program has set for itself and no other should get.
pub(crate) fn own_variables() -> &'static [&'static str] {
    OWN.get().map_or(&[], Vec::as_slice)
}

/// Fails with a sentence where there is no screen to show anything on.
pub(crate) fn check_desktop() -> Result<(), &'static str> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") {
        return Ok(());
    }
    Err(
        "there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set): start it from a \
         desktop, or use the `coracle` command",
    )
}

/// A program as the key `Exec` of a desktop entry wants it: in quotes, with what means something there escaped, first as
/// an argument, then as a string of the file. A percent sign begins a field code.
pub(crate) fn autostart_command(program: &Path) -> String {
    let mut command = String::from("\"");
    for letter in program.to_string_lossy().chars() {
        match letter {
            '"' | '`' | '$' => command.extend(["\\\\", letter.encode_utf8(&mut [0; 4])]),
            '\\' => command.push_str("\\\\\\\\"),
            '%' => command.push_str("%%"),
            letter => command.push(letter),
        }
    }
    command + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desktop_entry_names_any_path() {
        let of = |path: &str| autostart_command(Path::new(path));
        assert_eq!(
            of("/usr/lib/coracle/bin/app"),
            r#""/usr/lib/coracle/bin/app""#
        );
        assert_eq!(of("/home/a b/app"), r#""/home/a b/app""#);
        assert_eq!(of(r#"/a$b/"c"/50%"#), r#""/a\\$b/\\"c\\"/50%%""#);
        assert_eq!(of(r"/a\b"), r#""/a\\\\b""#);
    }
}
