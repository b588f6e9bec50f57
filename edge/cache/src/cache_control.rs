//! `Cache-Control` (RFC 9111, section 5.2).

use http::{HeaderMap, HeaderName, header};

/// The largest delta-seconds kept; larger ones mean this (RFC 9111, section 1.2.2).
pub const MAX_DELTA: u32 = 1 << 31;

/// A field with more directives than this counts as `no-store`: what was not read may forbid it.
const MAX_DIRECTIVES: usize = 256;

/// The directives that this cache knows, of a request or of a response. Unknown ones are ignored
/// (section 5.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// `max-age`, in seconds.
    pub max_age: Option<u32>,
    /// `s-maxage`, in seconds.
    pub s_maxage: Option<u32>,
    /// `max-stale`, in seconds; without a value it is [`MAX_DELTA`].
    pub max_stale: Option<u32>,
    /// `min-fresh`, in seconds.
    pub min_fresh: Option<u32>,
    /// `stale-while-revalidate` (RFC 5861, section 3), in seconds.
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error` (RFC 5861, section 4), in seconds.
    pub stale_if_error: Option<u32>,
    /// `no-cache` without field names (section 5.2.2.4), or with what is no list of them.
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `private` without field names (section 5.2.2.7), or with what is no list of them.
    pub private: bool,
    /// The fields that `no-cache` and `private` name: those are not stored, the rest is (sections
    /// 5.2.2.4 and 5.2.2.7).
    pub unstored: Vec<HeaderName>,
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
}

impl CacheControl {
    /// The `Cache-Control` of a header section. Lines are read as one list.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        let mut left = MAX_DIRECTIVES;
        for line in headers.get_all(header::CACHE_CONTROL) {
            match line.to_str() {
                Ok(text) => all.read(text, &mut left),
                // What cannot be read may forbid anything.
                Err(_) => all.no_store = true,
            }
        }
        all
    }

    fn read(&mut self, mut text: &str, left: &mut usize) {
        while let Some((name, value, rest)) = directive(text) {
            text = rest;
            if *left == 0 {
                self.no_store = true;
                return;
            }
            *left -= 1;
            let mut buffer = [0; 32];
            let Some(name) = lower_case(name, &mut buffer) else {
                continue;
            };
            if let Some(flag) = self.flag(name) {
                *flag |= value.is_none_or(|value| value.is_empty() || !takes_fields(name));
                if let Some(fields) = value.filter(|_| takes_fields(name)) {
                    self.leave_out(fields);
                }
            } else if let Some(seconds) = self.seconds(name) {
                // Section 4.2.1: of two values the first counts.
                if seconds.is_some() {
                    continue;
                }
                *seconds = match name {
                    // A lifetime that is no number is over at once (section 4.2.1).
                    "max-age" | "s-maxage" => Some(value.and_then(delta).unwrap_or(0)),
                    "max-stale" => value.map_or(Some(MAX_DELTA), delta),
                    _ => value.and_then(delta),
                };
            }
        }
    }

    /// Takes the names of fields that are not to be stored; what is no list of names forbids all.
    pub(crate) fn leave_out(&mut self, fields: &str) {
        for name in fields
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) if self.unstored.len() < MAX_DIRECTIVES => self.unstored.push(name),
                _ => self.private = true,
            }
        }
    }

    /// The directive of that name, if it is one that is there or not.
    pub(crate) fn flag(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "no-cache" => &mut self.no_cache,
            "no-store" => &mut self.no_store,
            "private" => &mut self.private,
            "public" => &mut self.public,
            "must-revalidate" => &mut self.must_revalidate,
            "proxy-revalidate" => &mut self.proxy_revalidate,
            "must-understand" => &mut self.must_understand,
            "only-if-cached" => &mut self.only_if_cached,
            _ => return None,
        })
    }

    /// The directive of that name, if it is one of so many seconds.
    pub(crate) fn seconds(&mut self, name: &str) -> Option<&mut Option<u32>> {
        Some(match name {
            "max-age" => &mut self.max_age,
            "s-maxage" => &mut self.s_maxage,
            "max-stale" => &mut self.max_stale,
            "min-fresh" => &mut self.min_fresh,
            "stale-while-revalidate" => &mut self.stale_while_revalidate,
            "stale-if-error" => &mut self.stale_if_error,
            _ => return None,
        })
    }
}

/// None for a name that is longer than any known one.
fn lower_case<'a>(name: &str, buffer: &'a mut [u8; 32]) -> Option<&'a str> {
    let buffer = buffer.get_mut(..name.len())?;
    buffer.copy_from_slice(name.as_bytes());
    buffer.make_ascii_lowercase();
    std::str::from_utf8(buffer).ok()
}

/// Whether the directive may have names of fields.
fn takes_fields(name: &str) -> bool {
    matches!(name, "no-cache" | "private")
}

/// Delta-seconds (section 1.2.2). Larger than can be kept is as large as can be.
pub(crate) fn delta(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse::<u32>().unwrap_or(MAX_DELTA).min(MAX_DELTA))
}

/// The next directive: its name, its value without quotes, and what follows.
pub(crate) fn directive(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    if text.is_empty() {
        return None;
    }
    let end = text.find(['=', ',']).unwrap_or(text.len());
    let (name, rest) = (text[..end].trim_end(), &text[end..]);
    let Some(value) = rest.strip_prefix('=') else {
        return Some((name, None, rest.strip_prefix(',').unwrap_or("")));
    };
    if name.len() < end {
        // White space before `=`: the directive is there, but its value is none that counts.
        let rest = value.find(',').map_or("", |comma| &value[comma + 1..]);
        return Some((name, Some(""), rest));
    }
    // A quote that is not closed quotes nothing: what follows the next comma is read, because it
    // may forbid to store.
    if let Some(quoted) = value.strip_prefix('"')
        && let Some(close) = closing_quote(quoted)
    {
        let rest = &quoted[close + 1..];
        let rest = rest.find(',').map_or("", |comma| &rest[comma + 1..]);
        return Some((name, Some(&quoted[..close]), rest));
    }
    let end = value.find(',').unwrap_or(value.len());
    let rest = value.get(end + 1..).unwrap_or("");
    // White space around `=` is no white space that may be there: the value is none that counts.
    Some((name, Some(value[..end].trim_end()), rest))
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
    use proptest::prelude::*;

    use super::*;
    use crate::fields;

    fn read(text: &str) -> CacheControl {
        CacheControl::of(&fields(&[("cache-control", text)]))
    }

    #[test]
    fn directives_are_read_in_all_their_shapes() {
        assert_eq!(read("max-age=60").max_age, Some(60));
        assert_eq!(read("MAX-AGE=\"60\" , public").max_age, Some(60));
        assert!(read(",, public ,").public);
        assert!(read("no-cache=\"set-cookie, x\", no-store").no_store);
        assert!(
            !read("x=\"a\\\", no-store\"").no_store,
            "in a quoted string"
        );
        assert_eq!(read("max-age=99999999999").max_age, Some(MAX_DELTA));
        assert_eq!(read("max-stale").max_stale, Some(MAX_DELTA));
        assert_eq!(read("max-stale=5, min-fresh=6").min_fresh, Some(6));
        assert!(read("an-extension-longer-than-any-known-name=1, no-store").no_store);
    }

    #[test]
    fn lines_are_one_list() {
        let lines = [
            ("cache-control", "max-age=60"),
            ("cache-control", "no-store, max-age=5"),
        ];
        let both = CacheControl::of(&fields(&lines));
        assert!(both.no_store && both.max_age == Some(60));
    }

    #[test]
    fn a_wrong_lifetime_is_none() {
        let wrong = [
            "max-age=-1",
            "max-age=1.5",
            "max-age=x",
            "max-age=",
            "max-age",
            "max-age=1 0",
            "max-age=\"6",
            "max-age=\"6\\0\"",
            "max-age=\u{a0}60",
            "max-age =60",
            "max-age= 60",
        ];
        for text in wrong {
            assert_eq!(read(text).max_age.unwrap_or(0), 0, "{text}");
        }
        assert_eq!(read("max-age=60, max-age=10").max_age, Some(60));
        assert_eq!(read("max-age=x, max-age=10").max_age, Some(0));
    }

    #[test]
    fn fields_are_named_or_all_are_meant() {
        let named = read("no-cache=\"a, B\", private=c");
        assert_eq!(named.unstored, ["a", "b", "c"]);
        assert!(!named.no_cache && !named.private);
        for text in [
            "private",
            "private=",
            "private=\"\"",
            "private=\"a b\"",
            "private =x",
        ] {
            assert!(read(text).private, "{text}");
        }
        assert!(read("no-cache=\"a\", no-cache").no_cache);
    }

    #[test]
    fn what_cannot_be_read_forbids() {
        assert!(read("x=\"open, no-store").no_store);
        assert!(read("x\"y, no-store").no_store);
        assert!(read(&"a,".repeat(300)).no_store);
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"max-age=60, \xff").unwrap();
        headers.insert(header::CACHE_CONTROL, value);
        assert!(CacheControl::of(&headers).no_store);
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

        #[test]
        fn no_store_at_the_end_is_seen(text in "[a-z=, ]{0,60}") {
            let text = format!("{text}, No-Store");
            prop_assert!(read(&text).no_store);
        }
    }
}
