//! Whether a stored answer may be given to a request (RFC 9111, section 4; RFC 5861).

use std::time::Duration;

use http::StatusCode;

use crate::freshness::Freshness;
use crate::request::RequestDirectives;

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
    // Section 5.2.1.4. Who wants nothing to be stored (section 5.2.1.5) wants no stored answer either.
    if request.no_cache || request.no_store {
        return Reuse::Validate("request");
    }
    // Section 5.2.2.4.
    if stored.no_cache {
        return Reuse::Validate("stale");
    }
    let ttl = stored.ttl(now);
    // Sections 5.2.1.1 and 5.2.1.3.
    let refused = request.max_age.is_some_and(|most| stored.age(now) > most)
        || request
            .min_fresh
            .is_some_and(|least| ttl < i64::from(least));
    if ttl > 0 {
        return if refused {
            Reuse::Validate("request")
        } else {
            Reuse::Fresh
        };
    }
    if !refused && -ttl < i64::from(stored.stale_while_revalidate) {
        return Reuse::StaleWhileRevalidate;
    }
    // Section 5.2.1.2.
    let taken = request
        .max_stale
        .is_some_and(|most| -ttl <= i64::from(most));
    if taken && !refused && !stored.must_revalidate {
        return Reuse::StaleAsked;
    }
    Reuse::Validate("stale")
}

/// What to do with a stored answer, when the upstream may just have failed to answer for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Give it.
    Give {
        /// Whether it is to be refreshed behind the client's back.
        refresh: bool,
        /// What `Cache-Status` says beside.
        detail: Option<&'static str>,
    },
    /// Ask the upstream first. The text is the `fwd` of `Cache-Status`.
    Validate(&'static str),
}

/// The decision. `backs_off` is whether the upstream is left alone for a while, because it failed.
#[must_use]
pub fn look(
    stored: &Freshness,
    request: &RequestDirectives,
    now: Duration,
    backs_off: bool,
) -> Look {
    let give = |refresh, detail| Look::Give { refresh, detail };
    match decide(stored, request, now) {
        Reuse::Fresh => give(false, None),
        Reuse::StaleAsked => give(false, Some("max-stale")),
        Reuse::StaleWhileRevalidate => give(!backs_off, Some("stale-while-revalidate")),
        Reuse::Validate("stale") if backs_off && serves_errors(stored, now, Failure::Answer) => {
            give(false, Some("stale-if-error"))
        }
        Reuse::Validate(reason) => Look::Validate(reason),
    }
}

/// How an upstream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It answered that it has failed.
    Answer,
    /// It could not be reached, or said that nobody behind it could.
    Unreachable,
}

impl Failure {
    /// What an answer of this status says; none when it is no failure.
    #[must_use]
    pub fn of(status: StatusCode) -> Option<Self> {
        match status.as_u16() {
            502..=504 => Some(Self::Unreachable),
            500..=599 => Some(Self::Answer),
            _ => None,
        }
    }
}

/// Whether a stored answer may take the place of an upstream's failure (RFC 5861, section 4; RFC
/// 9111, sections 4.2.4 and 4.3.3).
#[must_use]
pub fn serves_errors(stored: &Freshness, now: Duration, failure: Failure) -> bool {
    let ttl = stored.ttl(now);
    let fresh = ttl > 0 && !stored.no_cache;
    let window = match failure {
        Failure::Answer => stored.stale_if_error,
        Failure::Unreachable => stored.stale_if_error.max(stored.stale_if_unreachable),
    };
    fresh || (window > 0 && -ttl <= i64::from(window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    const STORED: Freshness = Freshness {
        arrived: Duration::from_secs(1000),
        initial_age: 0,
        lifetime: 60,
        stale_while_revalidate: 10,
        stale_if_error: 20,
        stale_if_unreachable: 0,
        no_cache: false,
        must_revalidate: false,
    };

    fn at(seconds: u64, text: &str) -> Reuse {
        let request = RequestDirectives::of(&fields(&[("cache-control", text)]));
        decide(&STORED, &request, Duration::from_secs(1000 + seconds))
    }

    #[test]
    fn the_request_has_a_say() {
        assert_eq!(at(30, ""), Reuse::Fresh);
        assert_eq!(at(59, ""), Reuse::Fresh);
        assert_eq!(at(30, "max-age=29"), Reuse::Validate("request"));
        assert_eq!(at(30, "max-age=30"), Reuse::Fresh);
        assert_eq!(at(30, "min-fresh=31"), Reuse::Validate("request"));
        assert_eq!(at(30, "min-fresh=30"), Reuse::Fresh);
        assert_eq!(at(30, "no-cache"), Reuse::Validate("request"));
        assert_eq!(at(30, "no-store"), Reuse::Validate("request"));
    }

    #[test]
    fn what_is_stale_has_its_windows() {
        assert_eq!(at(60, ""), Reuse::StaleWhileRevalidate);
        assert_eq!(at(69, ""), Reuse::StaleWhileRevalidate);
        assert_eq!(at(65, "max-age=64"), Reuse::Validate("stale"));
        assert_eq!(at(70, ""), Reuse::Validate("stale"));
        assert_eq!(at(70, "max-stale=10"), Reuse::StaleAsked);
        assert_eq!(at(71, "max-stale=10"), Reuse::Validate("stale"));
        assert_eq!(at(999, "max-stale"), Reuse::StaleAsked);
        assert_eq!(at(999, "max-stale, max-age=5"), Reuse::Validate("stale"));
    }

    #[test]
    fn must_revalidate_means_must() {
        let strict = Freshness {
            must_revalidate: true,
            stale_while_revalidate: 0,
            ..STORED
        };
        let late = Duration::from_secs(1065);
        let takes_stale = RequestDirectives {
            max_stale: Some(100),
            ..Default::default()
        };
        assert_eq!(
            decide(&strict, &takes_stale, late),
            Reuse::Validate("stale")
        );
        let no_cache = Freshness {
            no_cache: true,
            ..STORED
        };
        let now = Duration::from_secs(1001);
        assert_eq!(
            decide(&no_cache, &takes_stale, now),
            Reuse::Validate("stale")
        );
    }

    #[test]
    fn failures_are_hidden_within_their_window() {
        let serves = |stored: Freshness, seconds| {
            serves_errors(&stored, Duration::from_secs(seconds), Failure::Answer)
        };
        assert!(serves(STORED, 1080) && !serves(STORED, 1081));
        let none = Freshness {
            stale_if_error: 0,
            ..STORED
        };
        assert!(serves(none, 1059) && !serves(none, 1060));
        assert!(!serves(
            Freshness {
                no_cache: true,
                ..none
            },
            1001
        ));
        let cut_off = Freshness {
            stale_if_unreachable: 100,
            ..none
        };
        let at =
            |seconds| serves_errors(&cut_off, Duration::from_secs(seconds), Failure::Unreachable);
        assert!(at(1160) && !at(1161) && !serves(cut_off, 1061));
        assert_eq!(Failure::of(StatusCode::OK), None);
        assert_eq!(
            Failure::of(StatusCode::INTERNAL_SERVER_ERROR),
            Some(Failure::Answer)
        );
        assert_eq!(
            Failure::of(StatusCode::GATEWAY_TIMEOUT),
            Some(Failure::Unreachable)
        );
    }
}
