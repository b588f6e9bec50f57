//! A filter for tests of the component host: it does on request what a filter must not do, and what
//! it may do but seldom does.
//!
//! Its configuration names one deed, for example `{"do": "loop"}`. It happens in `on_request`; with
//! `"when": "x-hostile"` only when the request has that field, so that one stage can misbehave once
//! and behave the next time.

mod deed;

use serde::Deserialize;
use zephyr_edge_core::{ConfigError, Exchange, Filter, Host, Phases, Verdict};

pub use deed::Deed;

/// Misbehaves.
#[derive(Debug)]
pub struct Hostile {
    config: Config,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "do")]
    deed: Deed,
    when: Option<String>,
}

impl Filter for Hostile {
    fn configure(json: &str) -> Result<(Self, Phases), ConfigError> {
        let config: Config = serde_json::from_str(json)?;
        match config.deed {
            Deed::RefuseConfig => return Err(ConfigError::new("refused as asked")),
            Deed::TrapInConfig => panic!("trapped in configure as asked"),
            Deed::LoopInConfig => deed::spin(),
            _ => {}
        }
        let all = Phases::REQUEST.and(Phases::UPSTREAM).and(Phases::RESPONSE);
        Ok((Self { config }, all))
    }

    async fn on_request<X: Exchange, H: Host>(&self, exchange: &mut X, host: &H) -> Verdict {
        match &self.config.when {
            Some(field) if exchange.header(field).is_none() => Verdict::Next,
            _ => self.config.deed.run(exchange, host).await,
        }
    }

    async fn on_upstream<X: Exchange, H: Host>(&self, exchange: &mut X, _host: &H) -> Verdict {
        let _ = exchange.set_response_header("x-seen-upstream", "1");
        Verdict::Next
    }

    async fn on_response<X: Exchange, H: Host>(&self, exchange: &mut X, _host: &H) -> Verdict {
        let _ = exchange.append_response_header("x-seen-response", "1");
        Verdict::Next
    }
}

#[cfg(all(target_family = "wasm", target_os = "wasi"))]
zephyr_edge_guest::export_filter!(Hostile);
