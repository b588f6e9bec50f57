//! Targeted cache control (RFC 9213): what an answer says to one kind of cache only.

use http::{HeaderMap, HeaderName};

use crate::cache_control::{CacheControl, MAX_DELTA};
use crate::structured::{self, Item};
use crate::surrogate;

/// For caches inside a content delivery network, as this one (section 3.1).
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// What a targeted field says. None when there is no field, or it is empty, or not a dictionary:
/// then `Cache-Control` and `Expires` count (section 2.2). Directives of the wrong type are ignored.
#[must_use]
pub fn of(headers: &HeaderMap, name: &HeaderName) -> Option<CacheControl> {
    let mut lines = headers.get_all(name).iter();
    let mut text = lines.next()?.to_str().ok()?.to_owned();
    for line in lines {
        text.push(',');
        text.push_str(line.to_str().ok()?);
    }
    let members = structured::dictionary(&text)?;
    if members.is_empty() {
        return None;
    }
    let mut control = CacheControl::default();
    for (key, item) in members {
        match item {
            Item::Boolean(set) => {
                if let Some(flag) = control.flag(key) {
                    *flag = set;
                }
            }
            Item::Integer(seconds) => {
                let seconds = u32::try_from(seconds.max(0)).unwrap_or(MAX_DELTA);
                if let Some(value) = control.seconds(key) {
                    *value = Some(seconds.min(MAX_DELTA));
                }
            }
            // Names of fields in a string, as in `Cache-Control`.
            Item::String(fields) if matches!(key, "no-cache" | "private") => {
                control.leave_out(&fields);
            }
            Item::String(_) | Item::Other => {}
        }
    }
    Some(control)
}

impl CacheControl {
    /// What an answer says to this cache, and whether it says so in a targeted field, which takes the
    /// place of `Cache-Control` and `Expires` (section 2.2).
    #[must_use]
    pub fn for_this_cache(response: &HeaderMap) -> (Self, bool) {
        match of(response, &CDN_CACHE_CONTROL).or_else(|| surrogate::of(response)) {
            Some(targeted) => (targeted, true),
            None => (Self::of(response), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    fn read(text: &str) -> Option<CacheControl> {
        of(&fields(&[("cdn-cache-control", text)]), &CDN_CACHE_CONTROL)
    }

    #[test]
    fn it_is_a_dictionary() {
        let control = read("max-age=60, no-store=?0, stale-while-revalidate=5;x").unwrap();
        assert_eq!(control.max_age, Some(60));
        assert_eq!(control.stale_while_revalidate, Some(5));
        assert!(!control.no_store);
        assert!(read("private").unwrap().private);
        assert_eq!(read("no-cache=\"x\"").unwrap().unstored, ["x"]);
        assert_eq!(read("max-age=1, max-age=2").unwrap().max_age, Some(2));
        assert_eq!(read("max-age=-1").unwrap().max_age, Some(0));
        assert_eq!(
            read("max-age=999999999999").unwrap().max_age,
            Some(MAX_DELTA)
        );
    }

    #[test]
    fn one_that_is_not_is_as_if_it_were_not_there() {
        for text in [
            "",
            "max-age=",
            "MAX-AGE=60",
            "max-age = 60",
            "no-store,",
            "&",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["max-age=\"60\"", "max-age", "max-age=1.5"] {
            assert_eq!(read(text).unwrap().max_age, None, "{text}");
        }
        let lines = [
            ("cdn-cache-control", "no-cache"),
            ("cdn-cache-control", "max-age=1"),
        ];
        let both = of(&fields(&lines), &CDN_CACHE_CONTROL).unwrap();
        assert!(both.no_cache && both.max_age == Some(1));
    }
}
