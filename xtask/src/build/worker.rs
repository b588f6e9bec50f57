//! The edge as a Cloudflare Worker: a wasm module and the JavaScript around it.
//!
//! worker-build compiles the crate, runs wasm-bindgen and wasm-opt on it, and bundles the
//! JavaScript with esbuild. It would download those three; it is given ours.

use std::process::Command;

use super::size;
use crate::tools::{self, Tools};
use crate::workspace::Workspace;
use crate::{process, progress, toolchain};

const FOLDER: &str = "edge/worker";

/// What worker-build leaves in `build` for the host.
const FILES: [&str; 2] = ["index_bg.wasm", "index.js"];

/// The compressed size of all files. Cloudflare's own limit is 3 MiB without a subscription; a
/// third of it keeps cold starts short.
const LIMIT: u64 = 1 << 20;

/// Builds `edge/worker/build/index.js` and `index_bg.wasm`.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<Tools> {
    workspace.package_in(FOLDER)?;
    toolchain::ensure(workspace)?;
    let tools = tools::ensure(workspace)?;
    progress::step("building the worker", || {
        let mut command = Command::new(tools.worker_build());
        process::without_own_variables(&mut command);
        command
            .current_dir(workspace.root.join(FOLDER))
            .args(["--profile", "component"])
            .env("CARGO_TARGET_DIR", &workspace.target)
            // The standard library that we build ourselves where rustup cannot bring it has no
            // bitcode, which the profile's `lto = "fat"` asks for.
            .env("CARGO_PROFILE_COMPONENT_LTO", "off")
            .env("WASM_BINDGEN_BIN", tools.wasm_bindgen())
            .env("WASM_OPT_BIN", tools.wasm_opt())
            .env("ESBUILD_BIN", tools.esbuild());
        process::run(&mut command)
    })?;

    let folder = workspace.root.join(FOLDER).join("build");
    let mut total = 0;
    for name in FILES {
        let file = folder.join(name);
        let (raw, compressed) = (size::raw(&file)?, size::compressed(&file)?);
        progress::line(&format!(
            "{FOLDER}/build/{name}: {}, compressed {}",
            size::kib(raw),
            size::kib(compressed)
        ));
        total += compressed;
    }
    progress::line(&format!("the worker, compressed: {}", size::kib(total)));
    size::check("the compressed worker", total, LIMIT)?;
    Ok(tools)
}
