//! `Cache-Control` (RFC 9111, section 5.2) and fields of its form (RFC 9213).

use http::{HeaderMap, HeaderName};

/// The largest delta-seconds kept; larger ones mean this (RFC 9111, section 1.2.2).
pub const MAX_DELTA: u32 = 1 << 31;

/// The directives that this cache knows, of a request or of a response. Unknown ones are ignored
/// (section 5.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// `max-age`, in seconds.
    pub max_age: Option<u32>,
    /// `s-maxage`, in seconds.
    pub s_maxage: Option<u32>,
    /// `max-stale` without a value is [`MAX_DELTA`].
    pub max_stale: Option<u32>,
    /// `min-fresh`, in seconds.
    pub min_fresh: Option<u32>,
    /// `stale-while-revalidate` (RFC 5861, section 3), in seconds.
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error` (RFC 5861, section 4), in seconds.
    pub stale_if_error: Option<u32>,
    /// `no-cache` without field names. With names it counts as well: to leave the named fields out
    /// is optional (section 5.2.2.4), to check first is always right.
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `private`; with field names it counts as well (section 5.2.2.7).
    pub private: bool,
    /// `public`.
    pub public: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
    /// `no-transform`.
    pub no_transform: bool,
    /// `immutable` (RFC 8246).
    pub immutable: bool,
    /// Whether the field was there at all.
    pub present: bool,
}

impl CacheControl {
    /// The `Cache-Control` of a header section.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self::field(headers, &http::header::CACHE_CONTROL)
    }

    /// A field of this form by name. Lines are read as one list.
    #[must_use]
    pub fn field(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut all = Self::default();
        for line in headers.get_all(name) {
            all.present = true;
            match line.to_str() {
                Ok(text) => all.read(text),
                // What cannot be read may forbid anything.
                Err(_) => all.no_store = true,
            }
        }
        all
    }

    fn read(&mut self, mut text: &str) {
        while let Some((name, value, rest)) = directive(text) {
            text = rest;
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                "max-age" => shorter(&mut self.max_age, value),
                "s-maxage" => shorter(&mut self.s_maxage, value),
                "min-fresh" => self.min_fresh = value.and_then(delta),
                "max-stale" => self.max_stale = value.map_or(Some(MAX_DELTA), delta),
                "stale-while-revalidate" => self.stale_while_revalidate = value.and_then(delta),
                "stale-if-error" => self.stale_if_error = value.and_then(delta),
                "no-cache" => self.no_cache = true,
                "no-store" => self.no_store = true,
                "private" => self.private = true,
                "public" => self.public = true,
                "must-revalidate" => self.must_revalidate = true,
                "proxy-revalidate" => self.proxy_revalidate = true,
                "must-understand" => self.must_understand = true,
                "only-if-cached" => self.only_if_cached = true,
                "no-transform" => self.no_transform = true,
                "immutable" => self.immutable = true,
                _ => {}
            }
        }
    }
}

/// Of two values the shorter holds; a value that is no number is stale at once (section 4.2.1).
fn shorter(known: &mut Option<u32>, value: Option<&str>) {
    let new = value.and_then(delta).unwrap_or(0);
    *known = Some(known.map_or(new, |known| known.min(new)));
}

/// Delta-seconds (section 1.2.2). Larger than can be kept is as large as can be.
fn delta(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse::<u32>().unwrap_or(MAX_DELTA).min(MAX_DELTA))
}

/// The next directive: its name, its value without quotes, and what follows.
fn directive(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    if text.is_empty() {
        return None;
    }
    let end = text.find(['=', ',', '"']).unwrap_or(text.len());
    let name = text[..end].trim_end();
    let Some(value) = text[end..].strip_prefix('=') else {
        let rest = &text[end..];
        // A quote that belongs to nothing: nothing behind it can be told apart any more.
        return Some((name, None, rest.strip_prefix(',').unwrap_or("")));
    };
    if let Some(quoted) = value.strip_prefix('"') {
        let Some(close) = closing_quote(quoted) else {
            return Some((name, Some(""), ""));
        };
        let rest = &quoted[close + 1..];
        let rest = rest.find(',').map_or("", |comma| &rest[comma + 1..]);
        return Some((name, Some(&quoted[..close]), rest));
    }
    let end = value.find(',').unwrap_or(value.len());
    Some((
        name,
        Some(value[..end].trim()),
        value.get(end + 1..).unwrap_or(""),
    ))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CACHE_CONTROL;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> CacheControl {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_str(text).unwrap());
        CacheControl::of(&headers)
    }

    #[test]
    fn directives_are_read_in_all_their_shapes() {
        assert_eq!(read("max-age=60").max_age, Some(60));
        assert_eq!(read("MAX-AGE=\"60\" , public").max_age, Some(60));
        assert!(read(",, public ,").public);
        assert!(read("no-cache=\"set-cookie, x\", no-store").no_store);
        assert!(read("x=\"a\\\", no-store\"").max_age.is_none());
        assert!(
            !read("x=\"a\\\", no-store\"").no_store,
            "it stands in a quoted string"
        );
        assert_eq!(read("max-age=99999999999").max_age, Some(MAX_DELTA));
        assert_eq!(read("max-stale").max_stale, Some(MAX_DELTA));
        assert!(!CacheControl::of(&HeaderMap::new()).present);
    }

    #[test]
    fn a_wrong_lifetime_is_none() {
        for text in [
            "max-age=-1",
            "max-age=1.5",
            "max-age=x",
            "max-age=",
            "max-age",
            "max-age=1 0",
        ] {
            assert_eq!(read(text).max_age, Some(0), "{text}");
        }
        assert_eq!(read("max-age=60, max-age=10").max_age, Some(10));
    }

    proptest! {
        #[test]
        fn no_field_is_too_odd(text in "[ -~\t]{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn what_stands_in_front_changes_nothing(number in 0..MAX_DELTA, name in "[a-z]{1,10}") {
            let text = format!("{name}-x=\"a,b\", max-age={number}");
            prop_assert_eq!(read(&text).max_age, Some(number));
        }
    }
}
