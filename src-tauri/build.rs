//! Makes the context that tauri compiles in: the page, the window's icon, what the page may ask for.

use std::path::Path;

fn main() {
    // Lints and unit tests need no page: a checkout without a built one compiles, too.
    let page = Path::new("../ui/dist");
    if let Err(error) = std::fs::create_dir_all(page) {
        println!("cargo::error=cannot make {}: {error}", page.display());
    }
    println!("cargo::rerun-if-changed={}", page.display());
    tauri_build::build();
}
