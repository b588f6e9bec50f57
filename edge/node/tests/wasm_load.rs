//! What is refused when a component is loaded, and compiled components on disk.
#![expect(
    clippy::unwrap_used,
    reason = "a test panics when what it needs is not there"
)]

#[path = "wasm_support/guests.rs"]
mod guests;

use std::fs;
use std::path::Path;

use guests::{Nowhere, component, exchange, limits, options, runtime};
use zephyr_edge::wasm::{AotStats, LoadError, Phase, Runtime};

fn refused(bytes: &[u8]) -> LoadError {
    runtime().load_filter("x", bytes, limits()).unwrap_err()
}

#[test]
fn garbage_is_refused_with_a_reason() {
    assert!(matches!(refused(b""), LoadError::NotWasm { .. }));
    assert!(matches!(
        refused(b"garbage, not wasm"),
        LoadError::NotWasm { .. }
    ));
    assert!(matches!(
        refused(b"\0asm\x01\0\0\0"),
        LoadError::CoreModule { .. }
    ));
    let mut cut = component("noop");
    cut.truncate(cut.len() / 2);
    assert!(matches!(refused(&cut), LoadError::Invalid { .. }));
    let mut scrambled = component("noop");
    for byte in &mut scrambled[8..2000] {
        *byte = byte.wrapping_mul(31).wrapping_add(7);
    }
    assert!(matches!(refused(&scrambled), LoadError::Invalid { .. }));
}

#[test]
fn a_filter_that_wants_more_than_its_world_names_is_refused() {
    // A component that asks for sockets, written by hand.
    let sockets = wat(r#"(component (import "wasi:sockets/tcp@0.2.6" (instance)))"#);
    let error = refused(&sockets);
    assert_eq!(
        error.to_string(),
        "component x: imports `wasi:sockets/tcp@0.2.6`, which is not given to filters"
    );
    let error = runtime().load_service("x", &sockets, limits(), std::sync::Arc::new(Nowhere));
    assert!(matches!(error.unwrap_err(), LoadError::Import { .. }));
    // A service is no filter: it asks for HTTP, and in the newer component model at that.
    let error = refused(&component("hello"));
    assert!(
        matches!(error, LoadError::Import { .. } | LoadError::Invalid { .. }),
        "{error}"
    );
}

#[test]
fn a_component_without_the_exports_is_refused() {
    let empty = wat("(component)");
    let error = refused(&empty);
    assert!(matches!(error, LoadError::World { .. }), "{error}");
    assert!(error.to_string().contains("configure"), "{error}");
    let error = runtime().load_service("x", &empty, limits(), std::sync::Arc::new(Nowhere));
    assert!(matches!(error.unwrap_err(), LoadError::World { .. }));
    // A filter is no service.
    let noop = component("noop");
    let error = runtime().load_service("x", &noop, limits(), std::sync::Arc::new(Nowhere));
    assert!(matches!(error.unwrap_err(), LoadError::Import { .. }));
}

/// The only WAT that is needed here is so small that it is easier to encode than to parse.
fn wat(text: &str) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    if let Some(name) = text.split('"').nth(1) {
        // A type section with one empty instance type, and an import section with one instance of it.
        bytes.extend([7, 3, 1, 0x42, 0]);
        let mut import = vec![1, 0, u8::try_from(name.len()).unwrap()];
        import.extend(name.as_bytes());
        import.extend([5, 0]);
        bytes.push(10);
        bytes.push(u8::try_from(import.len()).unwrap());
        bytes.extend(import);
    }
    bytes
}

/// Loads `noop` in a new runtime over this folder, and calls it.
fn load(dir: &Path) -> AotStats {
    let mut options = options();
    options.cache_dir = Some(dir.to_owned());
    let runtime = Runtime::new(options).unwrap();
    let filter = runtime
        .load_filter("noop", &component("noop"), limits())
        .unwrap();
    let stage = filter.stage("{}").unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio
        .block_on(stage.call(Phase::Request, exchange()))
        .1
        .unwrap();
    runtime.aot_stats()
}

fn only_file(dir: &Path) -> std::path::PathBuf {
    let files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn a_component_is_compiled_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("aot");
    assert_eq!(
        load(&dir),
        AotStats {
            hits: 0,
            misses: 1,
            rejected: 0
        }
    );
    assert_eq!(
        load(&dir),
        AotStats {
            hits: 1,
            misses: 0,
            rejected: 0
        }
    );
}

#[test]
fn a_compiled_file_that_is_damaged_is_compiled_anew() {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path());
    let file = only_file(dir.path());
    let good = fs::read(&file).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for bad in [&b""[..], b"garbage", &good[..good.len() - 1], &flipped] {
        fs::write(&file, bad).unwrap();
        assert_eq!(
            load(dir.path()),
            AotStats {
                hits: 0,
                misses: 1,
                rejected: 1
            }
        );
        assert!(
            fs::read(only_file(dir.path())).unwrap() == good,
            "written anew"
        );
        assert_eq!(
            load(dir.path()),
            AotStats {
                hits: 1,
                misses: 0,
                rejected: 0
            }
        );
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let mut options = options();
    options.cache_dir = Some(file.join("aot"));
    let error = Runtime::new(options).unwrap_err().to_string();
    assert!(error.contains("file/aot"), "{error}");
}

#[test]
fn the_product_s_components_are_accepted() {
    let runtime = runtime();
    for name in ["auth", "cache", "ratelimit"] {
        runtime
            .load_filter(name, &component(name), limits())
            .unwrap();
    }
    let limits = zephyr_edge::wasm::Limits {
        memory: 128 << 20,
        ..limits()
    };
    let outbound = std::sync::Arc::new(Nowhere);
    runtime
        .load_service("image", &component("image"), limits, outbound)
        .unwrap();
}
