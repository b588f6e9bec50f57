//! What a node says about itself: to the control plane in a heartbeat, and on its admin port.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use crate::config::Target;
use crate::shared::Shared;

/// What is in force: name, version, routes and components.
pub(crate) fn summary(node: &Shared) -> Value {
    let generation = node.generation();
    let routes: Vec<Value> = generation.config.routes.iter().map(route).collect();
    let components: Vec<Value> = generation
        .components
        .iter()
        .map(|component| {
            json!({
                "name": component.name(),
                "kind": component.kind(),
                "sha256": component.sha256(),
            })
        })
        .collect();
    json!({
        "node": node.name,
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": humantime::format_rfc3339_seconds(node.started_at).to_string(),
        "seq": node.control_seq.load(Relaxed),
        "config_sha256": generation.config.sha256,
        "generation": generation.number,
        "loaded_at": humantime::format_rfc3339_seconds(generation.loaded_at).to_string(),
        "last_refused": refused(node),
        "routes": routes,
        "components": components,
    })
}

/// The body of a heartbeat.
pub(crate) fn heartbeat(node: &Shared, http_addr: SocketAddr) -> Value {
    let mut report = summary(node);
    report["http_addr"] = json!(http_addr.to_string());
    let (requests, errors_5xx) = node.metrics.totals();
    let traps: u64 = node
        .generation()
        .components
        .iter()
        .map(|component| component.counters().snapshot().traps)
        .sum();
    let cache = node.cache.stats();
    report["counters"] = json!({
        "requests": requests,
        "errors_5xx": errors_5xx,
        "traps": traps,
        "cache_hits": cache.hits,
        "cache_misses": cache.misses,
        "cache_entries": cache.entries,
        "cache_bytes": cache.bytes,
    });
    report
}

fn refused(node: &Shared) -> Value {
    node.reloads.last_refused().map_or(Value::Null, |refused| {
        json!({
            "at": humantime::format_rfc3339_seconds(refused.at).to_string(),
            "reason": refused.reason,
        })
    })
}

fn route(route: &crate::config::Route) -> Value {
    let texts = |items: &mut dyn Iterator<Item = String>| -> Vec<String> { items.collect() };
    let mut value = json!({
        "name": route.name,
        "hosts": texts(&mut route.hosts.iter().map(ToString::to_string)),
        "paths": texts(&mut route.paths.iter().map(ToString::to_string)),
        "stages": texts(&mut route.stages.iter().map(|stage| stage.filter.clone())),
        "cache": route.cache,
    });
    match &route.target {
        Target::Upstream(name) => value["upstream"] = json!(name),
        Target::Service(name) => value["service"] = json!(name),
        Target::Files(files) => value["files"] = json!(files.root),
    }
    value
}
