//! What the policy is configured with: JSON in a place of the component's file that is kept free for
//! it. `zephyr component export` finds the place by its mark and writes there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::Deserialize;

/// Bytes of the place: mark, length and JSON. The exporter knows them too.
const SIZE: usize = 64 * 1024;
/// What the place begins with.
const MARK: &[u8; 24] = b"zephyr:middleware:config";

/// The place. Atomics, so that the compiler cannot take its contents for what they are now.
static PLACE: [AtomicU8; SIZE] = {
    let mut place = [const { AtomicU8::new(0) }; SIZE];
    let mut at = 0;
    while at < MARK.len() {
        place[at] = AtomicU8::new(MARK[at]);
        at += 1;
    }
    // A place that is all zeros behind the mark would be left out of the file.
    place[SIZE - 1] = AtomicU8::new(1);
    place
};

/// What an export is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The stage's configuration.
    pub(crate) config: serde_json::Value,
    /// The name of the route that the policy sees.
    pub(crate) route: String,
    /// The site's keys and values.
    #[serde(default)]
    pub(crate) kv: BTreeMap<String, String>,
    /// Whether `X-Forwarded-For` is believed: the host stands behind a proxy.
    #[serde(default)]
    pub(crate) trust_forwarded: bool,
}

impl Settings {
    /// Reads them.
    pub(crate) fn read() -> Result<Self, String> {
        let byte = |at: usize| PLACE[at].load(Ordering::Relaxed);
        let start = MARK.len();
        let length = u32::from_le_bytes([
            byte(start),
            byte(start + 1),
            byte(start + 2),
            byte(start + 3),
        ]) as usize;
        let from = start + 4;
        if length == 0 || from + length >= SIZE {
            let why = "it holds no configuration; `zephyr component export` writes one";
            return Err(why.to_owned());
        }
        let json: Vec<u8> = (from..from + length).map(byte).collect();
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    }
}
