//! The edge as a Cloudflare Worker: the site of `zephyr.toml`, with the policies linked in
//! (`edge/portable`), over what Workers have.
//!
//! | capability | what it is here |
//! |---|---|
//! | cache store | the Cache API of the data centre; entries hold their own metadata |
//! | keys and values | the site's from [`control`], a component's own in Workers KV (`KV`) |
//! | rate limits | the Durable Object [`limiter::Limiter`], one per component: exact |
//! | control plane | the Durable Object [`control::Control`] polls the origin |
//! | next | `fetch`; a WebSocket's handshake becomes a tunnel |
//!
//! Bindings: `KV`, `LIMITER`, `CONTROL`; variables: `ORIGIN_URL` (where the origin is), `EDGE_TOKEN` (a
//! secret: opens the control plane), `ZEPHYR_CONFIG` (a whole `zephyr.toml` in place of the one built
//! in).
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

mod body;
mod control;
mod convert;
mod limiter;
mod platform;
mod settings;
mod store;

use std::cell::OnceCell;

use worker::{Context, Env, ScheduleContext, ScheduledEvent, event};
use zephyr_edge_portable::edge::{Client, Edge};
use zephyr_edge_portable::log::HostLog;

use crate::platform::Workers;
use crate::settings::Settings;

thread_local! {
    /// The configuration of this isolate, read on its first request. An isolate serves many requests
    /// at once, but what belongs to one of them may not outlive it: the edge is made for each.
    static SETTINGS: OnceCell<Result<Settings, String>> = const { OnceCell::new() };
}

fn settings(env: &Env) -> Result<Settings, String> {
    SETTINGS.with(|cell| cell.get_or_init(|| Settings::read(env)).clone())
}

#[event(start)]
fn start() {
    HostLog::install(|level, line| match level {
        tracing::Level::ERROR => worker::console_error!("{line}"),
        tracing::Level::WARN => worker::console_warn!("{line}"),
        _ => worker::console_log!("{line}"),
    });
}

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> worker::Result<web_sys::Response> {
    let settings = match settings(&env) {
        Ok(settings) => settings,
        Err(why) => {
            worker::console_error!("zephyr.toml: {why}");
            return Ok(convert::broken()?);
        }
    };
    let Ok((request, peer)) = convert::request(&request) else {
        return Ok(convert::unreadable()?);
    };
    let client = Client::new(&settings.site, peer.address, peer.scheme);
    let platform = Workers::new(env, context, settings.clone());
    let edge = Edge::new(settings.site, settings.memory, platform);
    let answer = edge.answer(client, request).await;
    Ok(convert::response(answer)?)
}

/// Cron: takes in what the control plane says, whether there is traffic or not.
#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    if let Err(error) = control::poll(&env).await {
        worker::console_error!("the control plane could not be polled: {error}");
    }
}
