//! Where the built components are.

use std::path::{Path, PathBuf};

/// The folder: `ZEPHYR_COMPONENTS`, else `components` in cargo's target folder.
#[must_use]
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("ZEPHYR_COMPONENTS") {
        return folder.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    target.join("components")
}

/// A built component's bytes.
///
/// # Panics
///
/// It is not built.
#[must_use]
pub fn bytes(name: &str) -> Vec<u8> {
    let file = folder().join(format!("{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| {
        panic!(
            "{}: {error}: run `cargo xtask test`, which builds components",
            file.display()
        )
    })
}
