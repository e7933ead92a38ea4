use std::env;

/// Fails with a sentence where there is no screen to show anything on.
pub(crate) fn check_desktop() -> Result<(), &'static str> {
    let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| is_set(name))
    {
        return Ok(());
    }
    Err(
        "there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set): start it from a \
         desktop, or use the `coracle` command",
    )
}
