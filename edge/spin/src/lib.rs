//! The edge as a Spin component: the site of `zephyr.toml`, with the policies linked in
//! (`edge/portable`), over what Spin has.
//!
//! | capability | what it is here |
//! |---|---|
//! | cache store | the key-value store `default`: bodies up to 960 KiB ([`store`]) |
//! | keys and values | the site's from [`control`], a component's own in the same store |
//! | rate limits | counters in the same store, by compare-and-swap |
//! | control plane | the origin is polled behind a client's back, at most every five seconds |
//! | next | outgoing HTTP on raw handles: bodies are spliced, not copied |
//!
//! Variables: `origin_url` (where the origin is), `edge_token` (a secret: opens the control plane),
//! `zephyr_config` (a whole `zephyr.toml` in place of the one built in).
#![cfg(all(target_family = "wasm", target_os = "wasi"))]

mod control;
mod platform;
mod settings;
mod store;

use std::cell::OnceCell;

use wasip3::http::types::{ErrorCode, Request, Response};
use zephyr_edge_portable::edge::{Client, Edge};
use zephyr_edge_portable::log::HostLog;
use zephyr_edge_wasi::{convert, log};

use crate::platform::{Content, Spin};
use crate::settings::Settings;

thread_local! {
    /// The configuration of this instance, read on its first request.
    static SETTINGS: OnceCell<Settings> = const { OnceCell::new() };
}

#[expect(clippy::wildcard_imports, reason = "generated exports")]
mod export {
    use super::*;
    wasip3::http::service::export!(ZephyrEdge);
}

struct ZephyrEdge;

impl wasip3::exports::http::handler::Guest for ZephyrEdge {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let settings = match settings().await {
            Ok(settings) => settings,
            Err(why) => {
                log::line("ERROR", &format!("zephyr.toml: {why}"));
                return convert::response(convert::broken());
            }
        };
        let Ok((request, peer)) = convert::request(request).await else {
            return convert::response(convert::unreadable());
        };
        let request = request.map(Content);
        let client = Client::new(&settings.site, peer.address, peer.scheme);
        let platform = Spin::new(settings.clone());
        let edge = Edge::new(settings.site, settings.memory, platform);
        convert::response(edge.answer(client, request).await.map(|body| body.0))
    }
}

async fn settings() -> Result<Settings, String> {
    if let Some(settings) = SETTINGS.with(|cell| cell.get().cloned()) {
        return Ok(settings);
    }
    HostLog::install(|level, text| log::line(level.as_str(), text));
    let settings = Settings::read().await?;
    Ok(SETTINGS.with(|cell| cell.get_or_init(|| settings).clone()))
}
