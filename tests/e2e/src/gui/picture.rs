//! Pictures for who wants to see what the tests see.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Keeps a picture in the folder that `CORACLE_SCREENSHOTS` names, if it does.
pub(super) fn keep(name: &str, png: impl FnOnce() -> Result<Vec<u8>>) -> Result<()> {
    let Some(folder) = env::var_os("CORACLE_SCREENSHOTS") else {
        return Ok(());
    };
    let file = Path::new(&folder).join(format!("{name}.png"));
    fs::write(&file, png()?).with_context(|| file.display().to_string())
}
