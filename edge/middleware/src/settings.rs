//! What the policy is configured with: JSON in a place of the component's file that is kept free for
//! it. `zephyr component export` finds the place by its mark and writes there.

use std::collections::BTreeMap;
use std::hint::black_box;

use serde::Deserialize;

/// Bytes of the place: mark, length and JSON. The exporter knows them too.
const SIZE: usize = 64 * 1024;
/// What the place begins with.
const MARK: &[u8; 24] = b"zephyr:middleware:config";

/// The place.
#[used]
static PLACE: [u8; SIZE] = {
    let mut place = [0; SIZE];
    let mut at = 0;
    while at < MARK.len() {
        place[at] = MARK[at];
        at += 1;
    }
    // A place that is all zeros behind the mark would be left out of the file.
    place[SIZE - 1] = 1;
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
        // The compiler must not take the place's contents for what they are now.
        let place = black_box(&PLACE).as_slice();
        let (_, place) = place.split_at(MARK.len());
        let (length, place) = place.split_at(4);
        let length = length
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        if length == 0 {
            let why = "it holds no configuration; `zephyr component export` writes one";
            return Err(why.to_owned());
        }
        let json = place.get(..length).ok_or("its configuration is cut off")?;
        serde_json::from_slice(json).map_err(|error| error.to_string())
    }
}
