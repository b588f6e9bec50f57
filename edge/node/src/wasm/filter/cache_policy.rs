//! `cache-policy`: what a filter says to the cache.
//!
//! A filter cannot be told that it said too much, and leaving out a part of a cache key would make
//! different requests share an answer. So the bounds of a key end the call.

use wasmtime::component::Resource;
use zephyr_edge_core::cache_policy::{CachePolicy as _, is_surrogate_key};
use zephyr_edge_pipeline::filter_view::{
    MAX_KEY_BYTES, MAX_KEY_PARTS, MAX_REASON, MAX_SURROGATE_KEYS,
};

use super::bindings::zephyr::edge::cache_policy::Host;
use super::state::{FilterState, Handle};

type X = Resource<Handle>;

impl Host for FilterState {
    fn bypass(&mut self, _: X, reason: String) -> wasmtime::Result<()> {
        let reason: String = reason.chars().take(MAX_REASON).collect();
        self.exchange()?.cache.bypass(&reason);
        Ok(())
    }

    fn set_ttl(&mut self, _: X, seconds: u32) -> wasmtime::Result<()> {
        self.exchange()?.cache.set_ttl(seconds);
        Ok(())
    }

    fn set_stale_while_revalidate(&mut self, _: X, seconds: u32) -> wasmtime::Result<()> {
        self.exchange()?.cache.set_stale_while_revalidate(seconds);
        Ok(())
    }

    fn set_stale_if_error(&mut self, _: X, seconds: u32) -> wasmtime::Result<()> {
        self.exchange()?.cache.set_stale_if_error(seconds);
        Ok(())
    }

    fn set_key_query(&mut self, _: X, query: Option<String>) -> wasmtime::Result<()> {
        bounded("set-key-query", query.as_deref().unwrap_or_default())?;
        self.exchange()?.cache.set_key_query(query.as_deref());
        Ok(())
    }

    fn add_key_part(&mut self, _: X, part: String) -> wasmtime::Result<()> {
        bounded("add-key-part", &part)?;
        let cache = &mut self.exchange()?.cache;
        if cache.key_parts.len() >= MAX_KEY_PARTS {
            wasmtime::bail!("add-key-part: more than {MAX_KEY_PARTS} parts");
        }
        cache.key_parts.push(part);
        Ok(())
    }

    fn add_surrogate_keys(&mut self, _: X, keys: Vec<String>) -> wasmtime::Result<()> {
        let exchange = self.exchange()?;
        let mut left_out = 0_usize;
        for key in &keys {
            let full = exchange.cache.surrogate_keys.len() >= MAX_SURROGATE_KEYS;
            if full || !is_surrogate_key(key) {
                left_out += 1;
            } else {
                exchange.cache.add_surrogate_keys(&[key]);
            }
        }
        if left_out > 0 {
            let request_id = &*exchange.id;
            tracing::warn!(
                request_id,
                left_out,
                "Left out surrogate keys that are not legal"
            );
        }
        Ok(())
    }
}

fn bounded(function: &str, text: &str) -> wasmtime::Result<()> {
    if text.len() > MAX_KEY_BYTES {
        wasmtime::bail!("{function}: more than {MAX_KEY_BYTES} bytes");
    }
    Ok(())
}
