//! Conditions of a request for a file, in the order of RFC 9110, section 13.2.2.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use zephyr_cache::{conditional, date};

/// What the conditions leave to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    NotModified,
    Failed,
}

pub(super) fn check(request: &HeaderMap, head: &HeaderMap, now: Duration) -> Verdict {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let go = if request.contains_key(header::IF_MATCH) {
        let mut lines = request.get_all(header::IF_MATCH).iter();
        lines.any(|line| names(line, head.get(header::ETAG)))
    } else if let Some(since) = request.get(header::IF_UNMODIFIED_SINCE) {
        let parse = |value: &HeaderValue| date::parse(value.to_str().ok()?, seconds);
        match (
            parse(since),
            head.get(header::LAST_MODIFIED).and_then(parse),
        ) {
            (Some(since), Some(modified)) => modified <= since,
            // Section 13.1.4: what is no date is no condition.
            _ => true,
        }
    } else {
        true
    };
    if !go {
        Verdict::Failed
    } else if conditional::is_conditional(request)
        && conditional::not_modified(request, head, seconds)
    {
        Verdict::NotModified
    } else {
        Verdict::Go
    }
}

/// Whether the list names the tag, by strong comparison (section 8.8.3.2).
fn names(list: &HeaderValue, etag: Option<&HeaderValue>) -> bool {
    let Ok(list) = list.to_str() else {
        return false;
    };
    if list.trim() == "*" {
        return true;
    }
    let Some(etag) = etag.and_then(|etag| etag.to_str().ok()) else {
        return false;
    };
    // Our tags hold no commas.
    etag.starts_with('"') && list.split(',').any(|tag| tag.trim() == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_in_their_order() {
        let map = |lines: &[(&'static str, &str)]| {
            let lines = lines.iter();
            let lines = lines.map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    value.parse::<HeaderValue>().unwrap(),
                )
            });
            HeaderMap::from_iter(lines)
        };
        let (old, new) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Mon, 07 Nov 1994 08:49:37 GMT",
        );
        let head = map(&[("etag", "\"a\""), ("last-modified", old)]);
        for (lines, expected) in [
            (&[][..], Verdict::Go),
            (&[("if-match", "\"a\"")], Verdict::Go),
            (&[("if-match", "\"b\", \"a\"")], Verdict::Go),
            (&[("if-match", "*")], Verdict::Go),
            (&[("if-match", "W/\"a\"")], Verdict::Failed),
            (&[("if-match", "\"b\"")], Verdict::Failed),
            (&[("if-unmodified-since", old)], Verdict::Go),
            (&[("if-unmodified-since", "x")], Verdict::Go),
            (
                &[("if-unmodified-since", "Sat, 05 Nov 1994 08:49:37 GMT")],
                Verdict::Failed,
            ),
            (&[("if-none-match", "W/\"a\"")], Verdict::NotModified),
            (&[("if-none-match", "\"b\"")], Verdict::Go),
            (&[("if-modified-since", new)], Verdict::NotModified),
            (
                &[("if-match", "\"b\""), ("if-none-match", "\"a\"")],
                Verdict::Failed,
            ),
            (
                &[
                    ("if-match", "\"a\""),
                    ("if-unmodified-since", "Sat, 05 Nov 1994 08:49:37 GMT"),
                ],
                Verdict::Go,
            ),
        ] {
            let verdict = check(&map(lines), &head, Duration::from_secs(1_795_000_000));
            assert_eq!(verdict, expected, "{lines:?}");
        }
    }
}
