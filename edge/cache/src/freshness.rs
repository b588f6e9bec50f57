//! For how long an answer is fresh, and how long past that it may be served (RFC 9111, section 4.2;
//! RFC 5861).

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use zephyr_edge_core::cache_policy::CacheDirectives;

use crate::age::{delta, field_date};
use crate::cache_control::{CacheControl, MAX_DELTA};
use crate::date;

/// The longest heuristic lifetime, in seconds (section 4.2.2 leaves it open).
pub(crate) const MAX_HEURISTIC: u32 = 86_400;

/// For how long an answer may be served stale when the upstream cannot be reached and the answer does
/// not say, in seconds (section 4.2.4 leaves it open).
const UNREACHABLE: u32 = 86_400;

/// The lifetime of a stored answer. Ages are counted from when the answer arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// When the answer arrived, since the Unix epoch.
    pub arrived: Duration,
    /// How old it was then (section 4.2.3), in seconds.
    pub initial_age: u32,
    /// For how long it is fresh (section 4.2.1), in seconds.
    pub lifetime: u32,
    /// How long past that it may be served while it is refreshed, in seconds.
    pub stale_while_revalidate: u32,
    /// How long past that it may be served when the upstream fails, in seconds.
    pub stale_if_error: u32,
    /// How long past that it may be served when the upstream cannot be reached (section 4.2.4), in
    /// seconds.
    pub stale_if_unreachable: u32,
    /// Never served without asking first (`no-cache`).
    pub no_cache: bool,
    /// Not served stale because a client says that it takes stale answers (`must-revalidate`,
    /// `proxy-revalidate`, `s-maxage`; sections 5.2.2.2, 5.2.2.8 and 5.2.2.10).
    pub must_revalidate: bool,
}

impl Freshness {
    /// The age of the answer (section 4.2.3), in seconds.
    #[must_use]
    pub fn age(&self, now: Duration) -> u32 {
        let resident = now.saturating_sub(self.arrived).as_secs();
        let resident = u32::try_from(resident).unwrap_or(MAX_DELTA);
        self.initial_age.saturating_add(resident).min(MAX_DELTA)
    }

    /// Seconds for which it stays fresh; negative when it is stale.
    #[must_use]
    pub fn ttl(&self, now: Duration) -> i64 {
        i64::from(self.lifetime) - i64::from(self.age(now))
    }

    /// Whether it can be given to anybody without asking first.
    #[must_use]
    pub fn is_reusable(&self, now: Duration) -> bool {
        !self.no_cache && self.ttl(now) > -i64::from(self.stale_while_revalidate)
    }
}

/// How long past its lifetime an answer may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    pub(crate) while_revalidate: u32,
    pub(crate) if_error: u32,
    pub(crate) if_unreachable: u32,
    pub(crate) must_revalidate: bool,
}

impl Stale {
    /// RFC 5861 under RFC 9111, section 4.2.4: an answer that forbids to be served stale means it,
    /// whatever else it says. `s-maxage` alone forbids it as well (section 5.2.2.10), but one that
    /// names a window beside it says how it wants to be understood. What filters say is the site's
    /// own word and counts over both.
    pub(crate) fn of(control: &CacheControl, filters: &CacheDirectives) -> Self {
        let forbidden = control.must_revalidate || control.proxy_revalidate || control.no_cache;
        let own = |seconds: Option<u32>| seconds.filter(|_| !forbidden);
        let pick = |filter: Option<u32>, seconds| filter.or(own(seconds)).unwrap_or(0);
        // Section 4.2.4: a cache that is cut off from the server may serve stale answers, unless that
        // is forbidden, `s-maxage` included. Who names a window means that one.
        let named = filters.stale_if_error.or(own(control.stale_if_error));
        let allowed = !forbidden && control.s_maxage.is_none();
        Self {
            while_revalidate: pick(
                filters.stale_while_revalidate,
                control.stale_while_revalidate,
            ),
            if_error: pick(filters.stale_if_error, control.stale_if_error),
            if_unreachable: named.unwrap_or(if allowed { UNREACHABLE } else { 0 }),
            must_revalidate: forbidden || control.s_maxage.is_some(),
        }
    }
}

/// The lifetime that the answer names (section 4.2.1). A targeted field takes the place of `Expires`
/// as well (RFC 9213, section 2.2).
pub(crate) fn explicit(
    control: &CacheControl,
    targeted: bool,
    response: &HeaderMap,
    now: i64,
) -> Option<u32> {
    if let Some(seconds) = control.s_maxage.or(control.max_age) {
        return Some(seconds);
    }
    let mut lines = response.get_all(header::EXPIRES).iter();
    let first = lines.next().filter(|_| !targeted)?;
    // Not a date, or two of them: it has expired (section 5.3).
    let at = first
        .to_str()
        .ok()
        .and_then(|text| date::parse(text, now))
        .filter(|_| lines.next().is_none())
        .unwrap_or(i64::MIN);
    let date = field_date(response, &header::DATE, now).unwrap_or(now);
    Some(delta(at.saturating_sub(date)))
}

/// A guess (section 4.2.2): a tenth of the time since the last change.
pub(crate) fn heuristic(response: &HeaderMap, now: i64) -> u32 {
    let Some(modified) = field_date(response, &header::LAST_MODIFIED, now) else {
        return 0;
    };
    let date = field_date(response, &header::DATE, now).unwrap_or(now);
    delta((date.saturating_sub(modified) / 10).min(i64::from(MAX_HEURISTIC)))
}

/// Status codes that may be fresh without saying so (RFC 9110, section 15.1).
pub(crate) fn is_heuristic(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    const NOW: i64 = 1_795_000_000;

    fn named(lines: &[(&'static str, &str)]) -> Option<u32> {
        let response = fields(lines);
        explicit(&CacheControl::of(&response), false, &response, NOW)
    }

    #[test]
    fn the_answer_names_its_lifetime() {
        assert_eq!(named(&[("cache-control", "max-age=60")]), Some(60));
        assert_eq!(
            named(&[("cache-control", "max-age=60, s-maxage=10")]),
            Some(10)
        );
        let expires = date::format(NOW + 100);
        assert_eq!(named(&[("expires", &expires)]), Some(100));
        assert_eq!(
            named(&[("expires", &expires), ("cache-control", "max-age=7")]),
            Some(7)
        );
        let earlier = date::format(NOW - 50);
        assert_eq!(
            named(&[("expires", &expires), ("date", &earlier)]),
            Some(150)
        );
        assert_eq!(named(&[("expires", &earlier)]), Some(0));
        assert_eq!(named(&[("expires", "0")]), Some(0));
        assert_eq!(
            named(&[("expires", &expires), ("expires", &expires)]),
            Some(0)
        );
        assert_eq!(named(&[("etag", "\"a\"")]), None);
    }

    #[test]
    fn a_guess_is_a_tenth_and_bounded() {
        let modified = |ago: i64| fields(&[("last-modified", &date::format(NOW - ago))]);
        assert_eq!(heuristic(&modified(1000), NOW), 100);
        assert_eq!(heuristic(&modified(1_000_000_000), NOW), 86_400);
        assert_eq!(heuristic(&modified(-1000), NOW), 0);
        assert_eq!(heuristic(&fields(&[("last-modified", "x")]), NOW), 0);
    }

    #[test]
    fn windows_of_staleness() {
        let windows = |text: &str, filters: &CacheDirectives| {
            let stale = Stale::of(
                &CacheControl::of(&fields(&[("cache-control", text)])),
                filters,
            );
            (
                stale.while_revalidate,
                stale.if_error,
                stale.if_unreachable,
                stale.must_revalidate,
            )
        };
        let none = CacheDirectives::default();
        let both = "stale-while-revalidate=5, stale-if-error=6";
        assert_eq!(windows("max-age=1", &none), (0, 0, 86_400, false));
        assert_eq!(windows("s-maxage=1", &none), (0, 0, 0, true));
        assert_eq!(windows("stale-if-error=0", &none), (0, 0, 0, false));
        assert_eq!(windows(both, &none), (5, 6, 6, false));
        assert_eq!(
            windows(&format!("s-maxage=1, {both}"), &none),
            (5, 6, 6, true)
        );
        for forbids in ["must-revalidate", "proxy-revalidate", "no-cache"] {
            assert_eq!(
                windows(&format!("{forbids}, {both}"), &none),
                (0, 0, 0, true),
                "{forbids}"
            );
        }
        let filters = CacheDirectives {
            stale_while_revalidate: Some(0),
            stale_if_error: Some(60),
            ..CacheDirectives::default()
        };
        assert_eq!(
            windows(&format!("must-revalidate, {both}"), &filters),
            (0, 60, 60, true)
        );
    }

    #[test]
    fn time_runs() {
        let fresh = Freshness {
            arrived: Duration::from_secs(1000),
            initial_age: 30,
            lifetime: 60,
            stale_while_revalidate: 0,
            stale_if_error: 0,
            stale_if_unreachable: 0,
            no_cache: false,
            must_revalidate: false,
        };
        let at = |seconds: u64| Duration::from_secs(1000 + seconds);
        assert_eq!((fresh.age(at(40)), fresh.ttl(at(40))), (70, -10));
        assert!(fresh.is_reusable(at(29)) && !fresh.is_reusable(at(30)));
        assert_eq!(
            fresh.age(Duration::ZERO),
            30,
            "a clock set back makes nothing younger"
        );
        assert!(
            !Freshness {
                no_cache: true,
                ..fresh
            }
            .is_reusable(at(0))
        );
    }
}
