//! What a request says to caches (RFC 9111, section 5.2.1). `Pragma` says nothing: section 5.4 has
//! done away with it.

use http::{HeaderMap, header};

use crate::cache_control::CacheControl;

/// The directives of a request.
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
    /// Do not store the answer.
    pub no_store: bool,
}

impl RequestDirectives {
    /// Those of a request.
    #[must_use]
    pub fn of(request: &HeaderMap) -> Self {
        if !request.contains_key(header::CACHE_CONTROL) {
            return Self::default();
        }
        let control = CacheControl::of(request);
        Self {
            max_age: control.max_age,
            min_fresh: control.min_fresh,
            max_stale: control.max_stale,
            no_cache: control.no_cache,
            only_if_cached: control.only_if_cached,
            no_store: control.no_store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    #[test]
    fn all_directives_are_read() {
        let text = "max-age=1, min-fresh=2, max-stale=3, no-cache, only-if-cached, no-store";
        let directives = RequestDirectives::of(&fields(&[("cache-control", text)]));
        let expected = RequestDirectives {
            max_age: Some(1),
            min_fresh: Some(2),
            max_stale: Some(3),
            no_cache: true,
            only_if_cached: true,
            no_store: true,
        };
        assert_eq!(directives, expected);
        assert_eq!(
            RequestDirectives::of(&HeaderMap::new()),
            RequestDirectives::default()
        );
    }

    #[test]
    fn pragma_says_nothing() {
        assert!(!RequestDirectives::of(&fields(&[("pragma", "no-cache")])).no_cache);
    }
}
