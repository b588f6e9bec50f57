//! What a policy says to the cache, where there is none: it is said to the caches before and behind,
//! in their own fields (RFC 9213; `Surrogate-Key`).

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use zephyr_edge_core::cache_policy::CacheDirectives;

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// Writes the directives into an answer. A key's query and parts cannot be said to another cache.
pub(crate) fn say(directives: &CacheDirectives, answer: &mut HeaderMap) {
    let mut text = String::new();
    if directives.bypass.is_some() {
        text.push_str("no-store");
    } else if let Some(seconds) = directives.ttl {
        let _ = write!(text, "max-age={seconds}");
        for (name, seconds) in [
            ("stale-while-revalidate", directives.stale_while_revalidate),
            ("stale-if-error", directives.stale_if_error),
        ] {
            if let Some(seconds) = seconds {
                let _ = write!(text, ", {name}={seconds}");
            }
        }
    }
    if let Ok(value) = HeaderValue::try_from(text)
        && !value.is_empty()
    {
        answer.insert(CDN_CACHE_CONTROL, value);
    }
    if let Ok(value) = HeaderValue::try_from(directives.surrogate_keys.join(" "))
        && !value.is_empty()
    {
        answer.append(SURROGATE_KEY, value);
    }
}
