//! The edge as a Cloudflare Worker: a wasm module and the JavaScript around it.
//!
//! worker-build compiles the crate, runs wasm-bindgen and wasm-opt on it, and bundles the
//! JavaScript with esbuild. It would download those three; it is given ours.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::process::Command;

use anyhow::Context as _;

use super::{imports, size};
use crate::tools::{self, Tools};
use crate::workspace::Workspace;
use crate::{process, progress, toolchain};

const FOLDER: &str = "edge/worker";
const TARGET: &str = "wasm32-unknown-unknown";

/// The standard library that we build ourselves where rustup cannot bring it has no bitcode, which
/// the profile's `lto = "fat"` asks for.
const LTO: (&str, &str) = ("CARGO_PROFILE_COMPONENT_LTO", "off");

/// What worker-build leaves in `build` for the host.
const FILES: [&str; 2] = ["index_bg.wasm", "index.js"];

/// The compressed size of all files. Cloudflare's own limit is 3 MiB without a subscription; a
/// third of it keeps cold starts short.
const LIMIT: u64 = 1 << 20;

/// Says in the folder what the build was made of: without a change there, worker-build is not run,
/// whose optimiser takes most of a minute.
const MADE_OF: &str = ".made-of";

/// Compiles the module, as worker-build does; tells what it came out as.
fn compile(workspace: &Workspace) -> anyhow::Result<String> {
    let package = workspace.package_in(FOLDER)?;
    progress::step("compiling the worker", || {
        let mut command = workspace.cargo();
        command
            .args(["build", "--lib", "--profile=component", "--target", TARGET])
            .args(["--package", &package.name])
            .env(LTO.0, LTO.1);
        process::run(&mut command)
    })?;
    let library = package
        .library()
        .with_context(|| format!("{} has no library", package.name))?;
    let built = workspace.target.join(TARGET).join("component");
    let file = built.join(library).with_extension("wasm");
    let module = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&module);
    Ok(format!("{} {:016x}", module.len(), hasher.finish()))
}

fn bundle(workspace: &Workspace, tools: &Tools) -> anyhow::Result<()> {
    progress::step("bundling the worker", || {
        let mut command = Command::new(tools.worker_build());
        process::without_own_variables(&mut command);
        command
            .current_dir(workspace.root.join(FOLDER))
            .args(["--profile", "component"])
            .env("CARGO_TARGET_DIR", &workspace.target)
            .env(LTO.0, LTO.1)
            .env("WASM_BINDGEN_BIN", tools.wasm_bindgen())
            .env("WASM_OPT_BIN", tools.wasm_opt())
            .env("ESBUILD_BIN", tools.esbuild());
        process::run(&mut command)
    })
}

/// Builds `edge/worker/build/index.js` and `index_bg.wasm`.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<Tools> {
    workspace.package_in(FOLDER)?;
    toolchain::ensure(workspace)?;
    let tools = tools::ensure(workspace)?;
    super::check_site(workspace)?;
    let folder = workspace.root.join(FOLDER).join("build");
    let made_of = compile(workspace)?;
    if fs::read_to_string(folder.join(MADE_OF)).is_ok_and(|known| known == made_of) {
        progress::line("the worker is built already");
    } else {
        bundle(workspace, &tools)?;
        let file = folder.join(MADE_OF);
        fs::write(&file, made_of).with_context(|| format!("writing {}", file.display()))?;
    }

    let file = folder.join("index.js");
    let script =
        fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let modules = imports::of(&script);
    anyhow::ensure!(
        modules.iter().all(|module| imports::is_known(module)),
        "the worker imports what Cloudflare's runtime does not have: {modules:?}"
    );
    progress::line(&format!("the worker imports {}", modules.join(", ")));
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
