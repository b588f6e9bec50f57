//! Prints what a filter stage costs a call: the median of the guest `noop` by itself and with four
//! host calls.
//!
//! `cargo run --release -p zephyr-edge --example stage_cost`, with built components in
//! `$ZEPHYR_COMPONENTS` or `components` in cargo's target folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use zephyr_edge::capability::limiter::MemoryLimiter;
use zephyr_edge::capability::{Capabilities, SignatureVerifier};
use zephyr_edge::exchange::Exchange;
use zephyr_edge::wasm::{FilterStage, Limits, Phase, Runtime, RuntimeOptions};

/// Calls of one sample, and samples.
const CALLS: u32 = 100;
const SAMPLES: usize = 2000;

fn main() -> anyhow::Result<()> {
    let runtime = Runtime::new(RuntimeOptions::new(Capabilities {
        kv: Arc::new(zephyr_kv::Memory::new(Default::default())),
        limiter: Arc::new(MemoryLimiter::new(1000)),
        signatures: Arc::new(SignatureVerifier::new(1000)),
    }))?;
    let path = components()?.join("noop.wasm");
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let noop = runtime.load_filter("noop", &bytes, Limits::default())?;
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for (what, config) in [
        ("noop", "{}"),
        ("noop with four host calls", r#"{"calls": true}"#),
    ] {
        let stage = noop.stage(config)?;
        let (median, p99) = tokio.block_on(measure(&stage))?;
        #[expect(clippy::print_stdout, reason = "what it is for")]
        {
            println!("{what}: {median} ns a call at the median, {p99} ns at the 99th percentile");
        }
    }
    Ok(())
}

fn components() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("ZEPHYR_COMPONENTS") {
        return Ok(dir.into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(PathBuf::from(target).join("components"))
}

async fn measure(stage: &FilterStage) -> anyhow::Result<(u128, u128)> {
    let mut x = exchange()?;
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let start = Instant::now();
        for _ in 0..CALLS {
            let (back, verdict) = stage.call(Phase::Request, x).await;
            verdict?;
            x = back;
        }
        samples.push(start.elapsed().as_nanos() / u128::from(CALLS));
    }
    samples.sort_unstable();
    Ok((samples[SAMPLES / 2], samples[SAMPLES * 99 / 100]))
}

fn exchange() -> anyhow::Result<Box<Exchange>> {
    let request = http::Request::builder()
        .uri("/api/listings?q=lamp")
        .header("host", "example.com")
        .header("user-agent", "stage_cost")
        .header("accept", "*/*")
        .body(())?;
    Ok(Box::new(Exchange {
        id: "00000000-0000-7000-8000-000000000000".into(),
        client: "203.0.113.7".parse()?,
        scheme: "http",
        authority: "example.com".into(),
        route: "listings".into(),
        request: request.into_parts().0,
        response: None,
        pending: Vec::new(),
        cache: Default::default(),
    }))
}
