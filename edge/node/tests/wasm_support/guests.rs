//! Where tests find built components, and what they run them with.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test uses a part of it"
)]

use std::path::PathBuf;
use std::sync::Arc;

use zephyr_edge::body::Body;
use zephyr_edge::capability::limiter::MemoryLimiter;
use zephyr_edge::capability::{Capabilities, SignatureVerifier};
use zephyr_edge::exchange::Exchange;
use zephyr_edge::wasm::{
    FilterComponent, FilterStage, Limits, Outbound, OutboundFuture, Runtime, RuntimeOptions,
};

/// A built component: `$ZEPHYR_COMPONENTS`, else `components` in cargo's target folder.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let dir = std::env::var_os("ZEPHYR_COMPONENTS").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
                || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
                PathBuf::from,
            );
            target.join("components")
        },
        PathBuf::from,
    );
    let path = dir.join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}: run `cargo xtask test`", path.display());
    })
}

pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        kv: Arc::new(zephyr_kv::Memory::new(Default::default())),
        limiter: Arc::new(MemoryLimiter::new(1000)),
        signatures: Arc::new(SignatureVerifier::new(1000)),
    }
}

pub(crate) fn options() -> RuntimeOptions {
    let mut options = RuntimeOptions::new(capabilities());
    // Each test is a process; what one has compiled the others need not.
    options.cache_dir = Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("aot"));
    options.filters.instances = 50;
    options.services.instances = 20;
    options
}

pub(crate) fn runtime() -> Arc<Runtime> {
    Runtime::new(options()).unwrap()
}

/// Limits of a test: a debug build under load is slow, and nothing here depends on a short deadline
/// but what asks for one.
pub(crate) fn limits() -> Limits {
    Limits {
        deadline: std::time::Duration::from_secs(10),
        ..Limits::default()
    }
}

pub(crate) fn filter(runtime: &Arc<Runtime>, name: &str, limits: Limits) -> Arc<FilterComponent> {
    runtime.load_filter(name, &component(name), limits).unwrap()
}

/// A stage of the guest `hostile` that does one deed.
pub(crate) fn hostile(runtime: &Arc<Runtime>, deed: &str, limits: Limits) -> FilterStage {
    let config = format!(r#"{{"do": "{deed}"}}"#);
    filter(runtime, "hostile", limits).stage(&config).unwrap()
}

/// The exchange of `GET /a/b?c=d`.
pub(crate) fn exchange() -> Box<Exchange> {
    let request = http::Request::builder()
        .uri("/a/b?c=d")
        .header("host", "example.com")
        .header("user-agent", "test")
        .header("x-many", "1")
        .header("x-many", "2")
        .header(
            "x-latin",
            http::HeaderValue::from_bytes(b"caf\xe9").unwrap(),
        )
        .body(())
        .unwrap();
    Box::new(Exchange {
        id: "id-1".into(),
        client: "2001:db8::1".parse().unwrap(),
        scheme: "https",
        authority: "example.com".into(),
        route: "test".into(),
        request: request.into_parts().0,
        response: None,
        pending: Vec::new(),
        cache: Default::default(),
    })
}

/// The `x-result` fields that a deed has left.
pub(crate) fn results(exchange: &Exchange) -> Vec<&str> {
    let values = exchange.request.headers.get_all("x-result").iter();
    values
        .map(|value| std::str::from_utf8(value.as_bytes()).unwrap())
        .collect()
}

/// Sends nothing anywhere.
pub(crate) struct Nowhere;

impl Outbound for Nowhere {
    fn allows(&self, _upstream: &str) -> bool {
        false
    }

    fn send(&self, _request: http::Request<Body>) -> OutboundFuture {
        unreachable!("nothing is allowed")
    }
}
