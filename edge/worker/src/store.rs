//! The cache's store: the Cache API of the data centre that the request is in.
//!
//! An entry is a response whose one field of interest is the record of the answer; its body is the
//! answer's. What the Cache API does with fields of its own (`Vary`, `Set-Cookie`, ranges, validators)
//! never comes in: a record's fields are inside of it, and only a lifetime is said outside.

use std::time::Duration;

use wasm_bindgen::{JsCast as _, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::worker_sys::ext::CacheStorageExt as _;
use zephyr_edge_portable::HostBody as _;
use zephyr_edge_portable::cache::Record;

use crate::body::Body;
use crate::convert;

/// The field that holds a record.
const FIELD: &str = "x-zephyr-record";

/// Where an entry lies. No such host is ever asked.
fn url(key: &str) -> String {
    format!("https://cache.zephyr.invalid/{key}")
}

fn cache() -> Result<web_sys::Cache, JsValue> {
    let global: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    Ok(global.caches()?.default())
}

/// A stored answer.
pub(crate) async fn load(key: &str) -> Result<Option<(Record, Body)>, JsValue> {
    let found = JsFuture::from(cache()?.match_with_str(&url(key))).await?;
    if found.is_undefined() {
        return Ok(None);
    }
    let found: web_sys::Response = found.unchecked_into();
    let Some(record) = found.headers().get(FIELD)? else {
        return Ok(None);
    };
    let Some(record) = Record::from_json(record.as_bytes()) else {
        return Ok(None);
    };
    let length = match &record {
        Record::Answer(meta) => meta.length,
        Record::Vary(_) => Some(0),
    };
    Ok(Some((record, Body::of(found.body(), length))))
}

/// Stores an answer.
pub(crate) async fn save(
    key: &str,
    record: &Record,
    retention: Duration,
    body: Body,
) -> Result<(), JsValue> {
    let init = web_sys::ResponseInit::new();
    let headers = web_sys::Headers::new()?;
    let lifetime = format!("public, max-age={}", retention.as_secs());
    headers.set("cache-control", &lifetime)?;
    headers.set(FIELD, &record.to_json())?;
    init.set_headers(&headers.into());
    let response = convert::new_response(body.into_js().as_ref(), &init)?;
    JsFuture::from(cache()?.put_with_str(&url(key), &response)).await?;
    Ok(())
}

/// Forgets an answer.
pub(crate) async fn remove(key: &str) -> Result<(), JsValue> {
    JsFuture::from(cache()?.delete_with_str(&url(key))).await?;
    Ok(())
}

/// Bodies up to this are stored before the client has their end, so that what it asks for next is a
/// hit; larger ones while they stream.
pub(crate) const AT_ONCE: u64 = 256 * 1024;

/// Whether a body is to be read whole before it is stored: a small one, and one whose length is not
/// known.
pub(crate) fn is_collected(body: &Body) -> bool {
    body.length().is_none_or(|length| length <= AT_ONCE)
}
