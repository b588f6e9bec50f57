//! Whether a stored answer may be given to a request (RFC 9111, section 4).

use std::time::Duration;

use http::{HeaderMap, header};

use crate::cache_control::CacheControl;
use crate::storable::Freshness;

/// What a request says to caches (section 5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// Not older than this, in seconds.
    pub max_age: Option<u32>,
    /// Fresh for this long still, in seconds.
    pub min_fresh: Option<u32>,
    /// Stale is right, by this many seconds.
    pub max_stale: Option<u32>,
    /// Ask first.
    pub no_cache: bool,
    /// Do not ask at all.
    pub only_if_cached: bool,
}

impl RequestDirectives {
    /// Those of a request. `Pragma: no-cache` counts where there is no `Cache-Control` (section 5.4).
    #[must_use]
    pub fn of(request: &HeaderMap) -> Self {
        if !request.contains_key(header::CACHE_CONTROL) {
            let pragma = request
                .get(header::PRAGMA)
                .and_then(|value| value.to_str().ok());
            let no_cache = pragma.is_some_and(|text| {
                text.split(',')
                    .any(|part| part.trim().eq_ignore_ascii_case("no-cache"))
            });
            return Self {
                no_cache,
                ..Self::default()
            };
        }
        let control = CacheControl::of(request);
        Self {
            max_age: control.max_age,
            min_fresh: control.min_fresh,
            max_stale: control.max_stale,
            no_cache: control.no_cache,
            only_if_cached: control.only_if_cached,
        }
    }
}

/// What to do with a stored answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Give it.
    Fresh,
    /// Give it, stale as it is, because the request takes stale ones (`max-stale`).
    StaleAsked,
    /// Give it and refresh it behind the client's back (RFC 5861, section 3).
    StaleWhileRevalidate,
    /// Ask the upstream first. The text is the `fwd` of `Cache-Status`.
    Validate(&'static str),
}

/// The decision.
#[must_use]
pub fn decide(stored: &Freshness, request: &RequestDirectives, now: Duration) -> Reuse {
    if request.no_cache {
        return Reuse::Validate("request");
    }
    if stored.no_cache {
        return Reuse::Validate("stale");
    }
    let ttl = stored.ttl(now);
    let too_old = request.max_age.is_some_and(|most| stored.age(now) > most);
    let too_soon = request
        .min_fresh
        .is_some_and(|least| ttl < i64::from(least));
    if ttl > 0 {
        return if too_old || too_soon {
            Reuse::Validate("request")
        } else {
            Reuse::Fresh
        };
    }
    if stored.must_revalidate {
        return Reuse::Validate("stale");
    }
    if !too_soon
        && request
            .max_stale
            .is_some_and(|most| -ttl <= i64::from(most))
        && !too_old
    {
        return Reuse::StaleAsked;
    }
    let within = -ttl < i64::from(stored.stale_while_revalidate);
    if within && !too_old && !too_soon {
        return Reuse::StaleWhileRevalidate;
    }
    Reuse::Validate("stale")
}

/// Whether a stale answer may take the place of an upstream's failure (RFC 5861, section 4; RFC
/// 9111, section 4.2.4).
#[must_use]
pub fn serves_errors(stored: &Freshness, now: Duration) -> bool {
    !stored.must_revalidate
        && !stored.no_cache
        && -stored.ttl(now) <= i64::from(stored.stale_if_error)
        && (stored.stale_if_error > 0 || stored.ttl(now) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Freshness = Freshness {
        arrived: Duration::from_secs(1000),
        initial_age: 0,
        lifetime: 60,
        stale_while_revalidate: 10,
        stale_if_error: 20,
        no_cache: false,
        must_revalidate: false,
    };

    fn at(seconds: u64, text: &'static str) -> Reuse {
        let mut headers = HeaderMap::new();
        if !text.is_empty() {
            headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_static(text));
        }
        decide(
            &STORED,
            &RequestDirectives::of(&headers),
            Duration::from_secs(1000 + seconds),
        )
    }

    #[test]
    fn the_request_has_a_say() {
        assert_eq!(at(30, ""), Reuse::Fresh);
        assert_eq!(at(30, "max-age=29"), Reuse::Validate("request"));
        assert_eq!(at(30, "max-age=30"), Reuse::Fresh);
        assert_eq!(at(30, "min-fresh=31"), Reuse::Validate("request"));
        assert_eq!(at(30, "no-cache"), Reuse::Validate("request"));
        assert_eq!(at(60, ""), Reuse::StaleWhileRevalidate);
        assert_eq!(at(69, ""), Reuse::StaleWhileRevalidate);
        assert_eq!(at(70, ""), Reuse::Validate("stale"));
        assert_eq!(at(70, "max-stale=10"), Reuse::StaleAsked);
        assert_eq!(at(71, "max-stale=10"), Reuse::Validate("stale"));
        assert_eq!(at(999, "max-stale"), Reuse::StaleAsked);
    }

    #[test]
    fn pragma_counts_alone() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::PRAGMA,
            http::HeaderValue::from_static("x, No-Cache"),
        );
        assert!(RequestDirectives::of(&headers).no_cache);
        headers.insert(
            header::CACHE_CONTROL,
            http::HeaderValue::from_static("max-age=1"),
        );
        assert!(!RequestDirectives::of(&headers).no_cache);
    }

    #[test]
    fn must_revalidate_means_must() {
        let strict = Freshness {
            must_revalidate: true,
            ..STORED
        };
        let late = Duration::from_secs(1065);
        let stale_ok = RequestDirectives {
            max_stale: Some(100),
            ..RequestDirectives::default()
        };
        assert_eq!(decide(&strict, &stale_ok, late), Reuse::Validate("stale"));
        assert!(!serves_errors(&strict, late));
        assert!(serves_errors(&STORED, Duration::from_secs(1080)));
        assert!(!serves_errors(&STORED, Duration::from_secs(1081)));
    }
}
