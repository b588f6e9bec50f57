//! What our components for other hosts ask of them: no more than they have.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;

use wasmtime::component::Component;
use wasmtime::{Config, Engine};

/// Interfaces of the world `spin:up/platform@4.1.0`, as spin-sdk 7 vendors them; a version's last
/// number is left out where the host links all of them.
const SPIN: [&str; 13] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/client@0.3.0",
    "wasi:http/types@0.3.0",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
    "wasi:config/store@0.2.0-draft-2024-09-27",
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:keyvalue/atomics@0.2.0-draft2",
    "spin:key-value/key-value@3.0.0",
    "spin:variables/variables@3.0.0",
];
/// Versions of WASI that the world includes.
const WASI: [&str; 2] = ["@0.2.", "@0.3.0"];

fn imports(file: PathBuf) -> Vec<String> {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    let engine = Engine::new(&config).unwrap();
    let component = Component::from_file(&engine, &file)
        .unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask test`", file.display()));
    let names = component.component_type();
    names
        .imports(&engine)
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn is_offered(import: &str, more: &[&str]) -> bool {
    let offered = SPIN
        .iter()
        .chain(more)
        .any(|known| import.starts_with(known));
    let versioned = !import.starts_with("wasi:")
        || import.contains("-draft")
        || WASI.iter().any(|version| import.contains(version));
    offered && versioned
}

fn components() -> PathBuf {
    if let Some(folder) = std::env::var_os("ZEPHYR_COMPONENTS") {
        return folder.into();
    }
    // This test runs from <target>/debug/deps.
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("components")
}

#[test]
fn the_spin_component_imports_what_spin_offers() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let imports = imports(root.join("../spin/build/zephyr_edge_spin.wasm"));
    assert!(
        imports
            .iter()
            .any(|import| import.starts_with("wasi:http/client")),
        "{imports:?}"
    );
    for import in &imports {
        assert!(is_offered(import, &[]), "Spin has no {import}");
    }
    assert!(
        !imports
            .iter()
            .any(|import| import.starts_with("wasi:sockets")),
        "{imports:?}"
    );
}

#[test]
fn middleware_imports_the_standard_world_and_only_limits_a_store() {
    let folder = components().join("middleware");
    for (name, store) in [("auth", false), ("cache", false), ("ratelimit", true)] {
        let imports = imports(folder.join(name).with_extension("wasm"));
        assert!(
            imports
                .iter()
                .any(|import| import == "wasi:http/handler@0.3.0"),
            "{name}: {imports:?}"
        );
        for import in &imports {
            assert!(
                is_offered(import, &["wasi:http/handler@0.3.0"]),
                "{name}: {import}"
            );
        }
        let counts = imports
            .iter()
            .any(|import| import.starts_with("wasi:keyvalue"));
        assert_eq!(counts, store, "{name}: {imports:?}");
    }
}
