//! Puts `zephyr.toml` where the component includes it from; `ZEPHYR_CONFIG` names another file.
//! `cargo xtask build` has it checked first, by the code that will run it.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=ZEPHYR_CONFIG");
    let default = || PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../zephyr.toml");
    let file = std::env::var_os("ZEPHYR_CONFIG").map_or_else(default, PathBuf::from);
    println!("cargo::rerun-if-changed={}", file.display());
    let Some(folder) = std::env::var_os("OUT_DIR") else {
        println!("cargo::error=cargo gives build scripts OUT_DIR");
        return;
    };
    if let Err(error) = std::fs::copy(&file, Path::new(&folder).join("zephyr.toml")) {
        println!("cargo::error={}: {error}", file.display());
    }
}
