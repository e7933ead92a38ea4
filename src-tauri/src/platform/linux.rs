use std::env;

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
