//! A filter for benchmarks: what a stage costs by itself, and with four host calls.
//!
//! Its configuration is `{}`, or `{"calls": true}` for the four.

use serde::Deserialize;
use zephyr_edge_core::{ConfigError, Exchange, Filter, Host, Phases, Verdict};

/// Says "next".
#[derive(Debug)]
pub struct Noop {
    calls: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    calls: bool,
}

impl Filter for Noop {
    fn configure(json: &str) -> Result<(Self, Phases), ConfigError> {
        let Config { calls } = serde_json::from_str(json)?;
        Ok((Self { calls }, Phases::REQUEST))
    }

    async fn on_request<X: Exchange, H: Host>(&self, exchange: &mut X, _host: &H) -> Verdict {
        if self.calls {
            let path = exchange.path().into_owned();
            let agent = exchange
                .header("user-agent")
                .map(|value| value.len())
                .unwrap_or_default();
            let client = exchange.client_ip().into_owned();
            if path.is_empty() || client.is_empty() || agent > 4096 {
                return Verdict::Next;
            }
            // The error case is what the header rules are for; a fixed name and value keep them.
            let _ = exchange.set_header("x-zephyr-noop", "1");
        }
        Verdict::Next
    }
}

#[cfg(all(target_family = "wasm", target_os = "wasi"))]
zephyr_edge_guest::export_filter!(Noop);
