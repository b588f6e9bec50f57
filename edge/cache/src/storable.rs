//! Which answers may be stored, and for how long they are fresh (RFC 9111, sections 3 and 4.2).

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use zephyr_edge_core::cache_policy::CacheDirectives;

use crate::cache_control::{CacheControl, MAX_DELTA};
use crate::date;

/// Caches inside a CDN read this first (RFC 9213, section 3.1).
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The longest heuristic lifetime (section 4.2.2 leaves it open).
const MAX_HEURISTIC: i64 = 86_400;

/// Status codes that may be fresh without saying so (RFC 9110, section 15.1). 206 is left out: this
/// cache stores whole answers.
const HEURISTIC: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];

/// Status codes whose meaning for caches this cache knows (section 3). 206 and 304 are no answers
/// of their own to it.
const UNDERSTOOD: [u16; 32] = [
    200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411,
    413, 414, 415, 417, 421, 422, 429, 500, 501, 502, 503, 504, 505,
];

/// Why an answer is not stored. The text is a token for `Cache-Status`'s `detail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotStorable(pub &'static str);

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
    /// Never served without asking first (`no-cache`).
    pub no_cache: bool,
    /// Never served stale (`must-revalidate`, `proxy-revalidate`, `s-maxage`; sections 5.2.2.2,
    /// 5.2.2.8 and 5.2.2.10).
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
}

/// Whether the answer may be stored by a shared cache, and its lifetime. `asked` and `arrived` are
/// when the request left and the answer's head came, since the Unix epoch.
///
/// # Errors
///
/// [`NotStorable`] says why not.
pub fn assess(
    method: &Method,
    request: &HeaderMap,
    status: StatusCode,
    response: &HeaderMap,
    filters: &CacheDirectives,
    asked: Duration,
    arrived: Duration,
) -> Result<Freshness, NotStorable> {
    if *method != Method::GET {
        return Err(NotStorable("method"));
    }
    if status.is_informational() || matches!(status.as_u16(), 206 | 304) {
        return Err(NotStorable("status"));
    }
    // A targeted field takes the place of Cache-Control and Expires (RFC 9213, section 2.2).
    let targeted = CacheControl::field(response, &CDN_CACHE_CONTROL);
    let is_targeted = targeted.present;
    let control = if is_targeted {
        targeted
    } else {
        CacheControl::of(response)
    };
    let understood = UNDERSTOOD.contains(&status.as_u16());
    if control.must_understand && !understood {
        return Err(NotStorable("must-understand"));
    }
    // Section 5.2.2.3: who understands the status may ignore no-store beside must-understand.
    if control.no_store && !control.must_understand {
        return Err(NotStorable("no-store"));
    }
    if CacheControl::of(request).no_store {
        return Err(NotStorable("request-no-store"));
    }
    if control.private {
        return Err(NotStorable("private"));
    }
    // Section 3.5.
    let allowed = control.public || control.s_maxage.is_some() || control.must_revalidate;
    if request.contains_key(header::AUTHORIZATION) && !allowed {
        return Err(NotStorable("authorization"));
    }
    if response
        .get_all(header::VARY)
        .iter()
        .any(|vary| vary.as_bytes().contains(&b'*'))
    {
        return Err(NotStorable("vary"));
    }
    let now = i64::try_from(arrived.as_secs()).unwrap_or(i64::MAX);
    let lifetime = match lifetime(&control, is_targeted, response, status, now) {
        Some(lifetime) => lifetime,
        None if control.public || filters.ttl.is_some() => 0,
        None => return Err(NotStorable("no-lifetime")),
    };
    let lifetime = filters.ttl.unwrap_or(lifetime);
    let pick = |filter: Option<u32>, own: Option<u32>| filter.or(own).unwrap_or(0);
    let freshness = Freshness {
        arrived,
        initial_age: initial_age(response, asked, arrived),
        lifetime,
        stale_while_revalidate: pick(
            filters.stale_while_revalidate,
            control.stale_while_revalidate,
        ),
        stale_if_error: pick(filters.stale_if_error, control.stale_if_error),
        no_cache: control.no_cache && filters.ttl.is_none(),
        must_revalidate: control.must_revalidate
            || control.proxy_revalidate
            || (control.s_maxage.is_some() && !is_targeted),
    };
    let validator =
        response.contains_key(header::ETAG) || response.contains_key(header::LAST_MODIFIED);
    let used_once = freshness.lifetime == 0
        && freshness.stale_while_revalidate == 0
        && freshness.stale_if_error == 0;
    if used_once && !validator {
        // It could never be used again.
        return Err(NotStorable("no-lifetime"));
    }
    Ok(freshness)
}

/// Section 4.2.1; none when the answer says nothing and may not be guessed at.
fn lifetime(
    control: &CacheControl,
    targeted: bool,
    response: &HeaderMap,
    status: StatusCode,
    now: i64,
) -> Option<u32> {
    if let Some(seconds) = control.s_maxage.or(control.max_age) {
        return Some(seconds);
    }
    let date = field_date(response, &header::DATE, now);
    let mut expires = response.get_all(header::EXPIRES).iter();
    if !targeted && let Some(first) = expires.next() {
        // Not a date, or two of them: it has expired (section 5.3).
        let at = first.to_str().ok().and_then(|text| date::parse(text, now));
        let at = at.filter(|_| expires.next().is_none()).unwrap_or(i64::MIN);
        return Some(delta(at.saturating_sub(date.unwrap_or(now))));
    }
    // Section 4.2.2: a tenth of the time since the last change.
    let modified = field_date(response, &header::LAST_MODIFIED, now)?;
    let may = HEURISTIC.contains(&status.as_u16()) || control.public;
    may.then(|| delta((date.unwrap_or(now).saturating_sub(modified) / 10).min(MAX_HEURISTIC)))
}

/// Section 4.2.3.
fn initial_age(response: &HeaderMap, asked: Duration, arrived: Duration) -> u32 {
    let now = i64::try_from(arrived.as_secs()).unwrap_or(i64::MAX);
    let date = field_date(response, &header::DATE, now).unwrap_or(now);
    let apparent = delta(now.saturating_sub(date));
    // The first member of a list counts; what is no number counts as nothing (section 5.1).
    let age = response
        .get(header::AGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(',').next())
        .map(str::trim)
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(0, |text| text.parse().unwrap_or(MAX_DELTA));
    let delay = u32::try_from(arrived.saturating_sub(asked).as_secs()).unwrap_or(MAX_DELTA);
    apparent.max(age.saturating_add(delay)).min(MAX_DELTA)
}

fn field_date(headers: &HeaderMap, name: &HeaderName, now: i64) -> Option<i64> {
    date::parse(headers.get(name)?.to_str().ok()?, now)
}

fn delta(seconds: i64) -> u32 {
    u32::try_from(seconds.clamp(0, i64::from(MAX_DELTA))).unwrap_or(MAX_DELTA)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn with(
        request: &[(&'static str, &str)],
        status: u16,
        response: &[(&'static str, &str)],
        filters: &CacheDirectives,
    ) -> Result<Freshness, &'static str> {
        let at = Duration::from_secs(NOW as u64);
        let status = StatusCode::from_u16(status).unwrap();
        let (request, response) = (headers(request), headers(response));
        assess(&Method::GET, &request, status, &response, filters, at, at).map_err(|why| why.0)
    }

    fn lifetime(response: &[(&'static str, &str)]) -> Result<u32, &'static str> {
        with(&[], 200, response, &CacheDirectives::default()).map(|freshness| freshness.lifetime)
    }

    #[test]
    fn the_answer_names_its_lifetime() {
        assert_eq!(lifetime(&[("cache-control", "max-age=60")]), Ok(60));
        assert_eq!(
            lifetime(&[("cache-control", "max-age=60, s-maxage=10")]),
            Ok(10)
        );
        let expires = date::format(NOW + 100);
        assert_eq!(lifetime(&[("expires", &expires)]), Ok(100));
        assert_eq!(
            lifetime(&[("expires", &expires), ("cache-control", "max-age=7")]),
            Ok(7)
        );
        assert_eq!(
            lifetime(&[("expires", &expires), ("date", &date::format(NOW - 50))]),
            Ok(150)
        );
        assert_eq!(lifetime(&[("expires", "0"), ("etag", "\"a\"")]), Ok(0));
        let modified = date::format(NOW - 1000);
        assert_eq!(lifetime(&[("last-modified", &modified)]), Ok(100));
        let cdn = [
            ("cdn-cache-control", "max-age=5"),
            ("cache-control", "no-store"),
        ];
        assert_eq!(lifetime(&cdn), Ok(5));
    }

    #[test]
    fn what_must_not_be_stored_is_not() {
        for (fields, why) in [
            ([("cache-control", "max-age=60, no-store")], "no-store"),
            ([("cache-control", "max-age=60, private")], "private"),
            ([("cache-control", "private=\"x\", max-age=60")], "private"),
            ([("vary", "accept, *")], "vary"),
            ([("x", "y")], "no-lifetime"),
            ([("cache-control", "max-age=0")], "no-lifetime"),
        ] {
            assert_eq!(lifetime(&fields), Err(why), "{fields:?}");
        }
        let none = CacheDirectives::default();
        let fresh = [("cache-control", "max-age=60")];
        assert_eq!(
            with(&[("authorization", "x")], 200, &fresh, &none),
            Err("authorization")
        );
        assert_eq!(
            with(&[("cache-control", "no-store")], 200, &fresh, &none),
            Err("request-no-store")
        );
        assert_eq!(with(&[], 206, &fresh, &none), Err("status"));
        let understood = [("cache-control", "max-age=60, no-store, must-understand")];
        assert!(with(&[], 200, &understood, &none).is_ok());
        assert_eq!(with(&[], 299, &understood, &none), Err("must-understand"));
        for allowed in [
            "public, max-age=1",
            "s-maxage=1",
            "must-revalidate, max-age=1",
        ] {
            let fields = [("cache-control", allowed)];
            assert!(
                with(&[("authorization", "x")], 200, &fields, &none).is_ok(),
                "{allowed}"
            );
        }
        let at = Duration::from_secs(NOW as u64);
        let (request, response) = (HeaderMap::new(), headers(&fresh));
        let post = assess(
            &Method::POST,
            &request,
            StatusCode::OK,
            &response,
            &none,
            at,
            at,
        );
        assert_eq!(post, Err(NotStorable("method")));
    }

    #[test]
    fn filters_have_the_last_word_on_lifetimes_and_none_on_secrecy() {
        let filters = CacheDirectives {
            ttl: Some(9),
            ..CacheDirectives::default()
        };
        assert_eq!(with(&[], 200, &[], &filters).unwrap().lifetime, 9);
        assert_eq!(
            with(&[], 200, &[("cache-control", "max-age=60")], &filters)
                .unwrap()
                .lifetime,
            9
        );
        assert_eq!(
            with(&[], 200, &[("cache-control", "no-store")], &filters),
            Err("no-store")
        );
    }

    #[test]
    fn age_counts_what_caches_before_took() {
        let old = date::format(NOW - 20);
        let at = |fields: &[(&'static str, &str)]| {
            let mut all = vec![("cache-control", "max-age=60")];
            all.extend_from_slice(fields);
            with(&[], 200, &all, &CacheDirectives::default()).unwrap()
        };
        assert_eq!(at(&[("age", "30")]).initial_age, 30);
        assert_eq!(at(&[("date", &old)]).initial_age, 20);
        assert_eq!(at(&[("date", &old), ("age", "5")]).initial_age, 20);
        assert_eq!(at(&[("age", "7, 9")]).initial_age, 7);
        assert_eq!(at(&[("age", "-7")]).initial_age, 0);
        let fresh = at(&[("age", "30")]);
        let later = Duration::from_secs(NOW as u64 + 40);
        assert_eq!((fresh.age(later), fresh.ttl(later)), (70, -10));
    }
}
