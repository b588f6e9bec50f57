//! Which way a request takes through a cache, before anything is looked up.

use http::{HeaderMap, Method};
use zephyr_edge_core::cache_policy::CacheDirectives;

use crate::{conditional, invalidate};

/// Where a request goes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the upstream, and what it changes there is dropped here.
    Write {
        /// Why, as `Cache-Status` says it.
        reason: &'static str,
        /// More about it.
        detail: Option<String>,
    },
    /// To the upstream: the cache has nothing to do with it.
    Pass {
        /// Why, as `Cache-Status` says it.
        reason: &'static str,
        /// More about it.
        detail: Option<String>,
    },
    /// To the store.
    Look,
}

/// The way of a request; `has_body` is whether it comes with any bytes.
#[must_use]
pub fn of(method: &Method, request: &HeaderMap, filters: &CacheDirectives, has_body: bool) -> Way {
    let pass = |reason, detail: Option<&str>| Way::Pass {
        reason,
        detail: detail.map(str::to_owned),
    };
    if invalidate::is_unsafe(method) {
        let (reason, detail) = match &filters.bypass {
            Some(reason) => ("bypass", Some(reason.clone())),
            None => ("method", None),
        };
        return Way::Write { reason, detail };
    }
    if let Some(reason) = &filters.bypass {
        return pass("bypass", Some(reason));
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return pass("method", None);
    }
    if has_body {
        // What a body in a GET means, only the origin knows (RFC 9110, section 9.3.1).
        return pass("request", Some("body"));
    }
    if conditional::is_for_origin(request) {
        return pass("request", Some("precondition"));
    }
    Way::Look
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    fn way(method: Method, lines: &[(&'static str, &str)], bypass: bool, body: bool) -> Way {
        let filters = CacheDirectives {
            bypass: bypass.then(|| "signed-in".to_owned()),
            ..CacheDirectives::default()
        };
        of(&method, &fields(lines), &filters, body)
    }

    #[test]
    fn what_the_cache_has_nothing_to_do_with_passes() {
        let pass = |reason, detail: Option<&str>| Way::Pass {
            reason,
            detail: detail.map(str::to_owned),
        };
        assert_eq!(way(Method::GET, &[], false, false), Way::Look);
        assert_eq!(way(Method::HEAD, &[], false, false), Way::Look);
        assert_eq!(
            way(Method::OPTIONS, &[], false, false),
            pass("method", None)
        );
        assert_eq!(
            way(Method::GET, &[], true, true),
            pass("bypass", Some("signed-in"))
        );
        assert_eq!(
            way(Method::GET, &[], false, true),
            pass("request", Some("body"))
        );
        assert_eq!(
            way(Method::GET, &[("if-match", "\"a\"")], false, false),
            pass("request", Some("precondition"))
        );
    }

    #[test]
    fn a_write_is_one_whatever_filters_say() {
        let write = |reason, detail: Option<&str>| Way::Write {
            reason,
            detail: detail.map(str::to_owned),
        };
        assert_eq!(way(Method::POST, &[], false, true), write("method", None));
        assert_eq!(
            way(Method::DELETE, &[], true, false),
            write("bypass", Some("signed-in"))
        );
    }
}
