//! How old an answer is when it arrives (RFC 9111, section 4.2.3).

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use crate::cache_control::MAX_DELTA;
use crate::date;

/// The age in seconds: what caches before this one tell, or what the clocks tell, whichever is more.
/// `asked` and `arrived` are when the request left and the answer's head came, since the Unix epoch.
#[must_use]
pub fn initial(response: &HeaderMap, asked: Duration, arrived: Duration) -> u32 {
    let now = seconds(arrived);
    let date = field_date(response, &header::DATE, now).unwrap_or(now);
    let apparent = delta(now.saturating_sub(date));
    let delay = u32::try_from(arrived.saturating_sub(asked).as_secs()).unwrap_or(MAX_DELTA);
    let corrected = told(response).saturating_add(delay);
    apparent.max(corrected).min(MAX_DELTA)
}

/// `Age` (section 5.1): the first member of a list counts; what is no number counts as nothing. A
/// number with parameters, which the field does not have, is one all the same: who is told more than
/// it understands does not make an answer younger for it.
fn told(response: &HeaderMap) -> u32 {
    response
        .get(header::AGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split([',', ';']).next())
        .map(str::trim)
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(0, |text| text.parse().unwrap_or(MAX_DELTA))
}

/// A date in a field; none when there is none or it is not a date.
pub(crate) fn field_date(headers: &HeaderMap, name: &HeaderName, now: i64) -> Option<i64> {
    date::parse(headers.get(name)?.to_str().ok()?, now)
}

/// A span as delta-seconds.
pub(crate) fn delta(seconds: i64) -> u32 {
    u32::try_from(seconds.clamp(0, i64::from(MAX_DELTA))).unwrap_or(MAX_DELTA)
}

/// A moment as whole seconds.
pub(crate) fn seconds(at: Duration) -> i64 {
    i64::try_from(at.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    const NOW: u64 = 1_795_000_000;

    fn age(lines: &[(&'static str, &str)], delay: u64) -> u32 {
        let asked = Duration::from_secs(NOW - delay);
        initial(&fields(lines), asked, Duration::from_secs(NOW))
    }

    #[test]
    fn the_most_that_anybody_tells_counts() {
        let (old, ahead) = (date::format(NOW as i64 - 20), date::format(NOW as i64 + 20));
        assert_eq!(age(&[("age", "30")], 0), 30);
        assert_eq!(age(&[("age", "30")], 3), 33, "the time of the trip counts");
        assert_eq!(age(&[("date", &old)], 0), 20);
        assert_eq!(age(&[("date", &old), ("age", "5")], 0), 20);
        assert_eq!(
            age(&[("date", &ahead)], 0),
            0,
            "a clock that is ahead makes nothing younger"
        );
        assert_eq!(age(&[], 0), 0);
    }

    #[test]
    fn an_age_that_is_none_counts_as_nothing() {
        for (text, expected) in [
            ("7, 9", 7),
            ("-7", 0),
            ("x", 0),
            ("", 0),
            ("7.5", 0),
            ("7200;a=b", 7200),
            (";7", 0),
            ("7 9", 0),
            ("99999999999", MAX_DELTA),
        ] {
            assert_eq!(age(&[("age", text)], 0), expected, "{text}");
        }
    }
}
