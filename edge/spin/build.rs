//! Checks `zephyr.toml` with the code that will run it, so that a mistake is found when the component is
//! built, and puts it where the component includes it from. `ZEPHYR_CONFIG` names another file.

use std::path::{Path, PathBuf};

use zephyr_edge_pipeline::Config;
use zephyr_edge_portable::Site;

fn main() {
    println!("cargo::rerun-if-env-changed=ZEPHYR_CONFIG");
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zephyr.toml");
    let file = std::env::var_os("ZEPHYR_CONFIG").map_or_else(default, PathBuf::from);
    println!("cargo::rerun-if-changed={}", file.display());
    if let Err(error) = include(&file) {
        println!("cargo::error={error}");
    }
}

fn include(file: &Path) -> Result<(), String> {
    // Where components lie is a node's business.
    let config = Config::load(file, Path::new("components")).map_err(|error| error.to_string())?;
    Site::new(&config).map_err(|error| error.to_string())?;
    let folder = std::env::var_os("OUT_DIR").ok_or("cargo gives build scripts OUT_DIR")?;
    let copy = Path::new(&folder).join("zephyr.toml");
    std::fs::copy(file, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
    Ok(())
}
