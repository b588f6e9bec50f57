//! Which answers a shared cache may store (RFC 9111, section 3).

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use zephyr_edge_core::cache_policy::CacheDirectives;

use crate::cache_control::CacheControl;
use crate::freshness::{self, Freshness, Stale};
use crate::part::Part;
use crate::{age, vary};

/// Status codes whose meaning for caches this cache knows, for `must-understand` (section 5.2.2.3).
/// 304 is no answer of its own to it.
const UNDERSTOOD: [u16; 33] = [
    200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 410,
    411, 413, 414, 415, 417, 421, 422, 429, 500, 501, 502, 503, 504, 505,
];

pub use crate::why_not::NotStorable;

/// A request and the answer that came to it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's fields.
    pub request: &'a HeaderMap,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's fields.
    pub response: &'a HeaderMap,
    /// What filters said.
    pub filters: &'a CacheDirectives,
    /// When the request left, since the Unix epoch.
    pub asked: Duration,
    /// When the answer's head came, since the Unix epoch.
    pub arrived: Duration,
}

impl Candidate<'_> {
    /// Whether the answer may be stored, and its lifetime.
    ///
    /// # Errors
    ///
    /// [`NotStorable`] says why not.
    pub fn assess(&self) -> Result<Freshness, NotStorable> {
        if self.filters.bypass.is_some() {
            return Err(NotStorable::Bypass);
        }
        if *self.method != Method::GET {
            return Err(NotStorable::Method);
        }
        let part = self.status == StatusCode::PARTIAL_CONTENT;
        // 304, 412 and 416 tell about the request's own conditions and range, not about its URL.
        if self.status.is_informational()
            || matches!(self.status.as_u16(), 304 | 412 | 416)
            || (part && Part::of(self.request, self.response).is_none())
        {
            return Err(NotStorable::Status);
        }
        let (control, is_targeted) = CacheControl::for_this_cache(self.response);
        self.permitted(&control)?;
        let now = age::seconds(self.arrived);
        let lifetime = self.lifetime(&control, is_targeted, now)?;
        // Section 7.3 leaves it to the server to forbid that a cookie is shared, and many do not
        // know: this cache wants a lifetime that is meant, not one that it has guessed.
        let meant = control.public
            || self.ttl().is_some()
            || freshness::explicit(&control, is_targeted, self.response, now).is_some();
        if self.response.contains_key(header::SET_COOKIE) && !meant {
            return Err(NotStorable::SetCookie);
        }
        let stale = Stale::of(&control, self.filters);
        let validator = self.response.contains_key(header::ETAG)
            || self.response.contains_key(header::LAST_MODIFIED);
        if lifetime == 0 && stale.while_revalidate == 0 && stale.if_error == 0 && !validator {
            // It could never be used again.
            return Err(NotStorable::NoLifetime);
        }
        Ok(Freshness {
            arrived: self.arrived,
            initial_age: age::initial(self.response, self.asked, self.arrived),
            lifetime,
            stale_while_revalidate: stale.while_revalidate,
            stale_if_error: stale.if_error,
            stale_if_unreachable: stale.if_unreachable,
            no_cache: control.no_cache && self.ttl().is_none(),
            must_revalidate: stale.must_revalidate,
        })
    }

    /// Whether the answer to a POST stands for a GET of the same URL, and its lifetime (RFC 9110,
    /// section 9.3.3): it names its URL as that of its content, and says itself how long it is fresh.
    /// [`crate::invalidate::names_itself`] tells the first.
    ///
    /// # Errors
    ///
    /// [`NotStorable`] says why not.
    pub fn assess_post(&self) -> Result<Freshness, NotStorable> {
        let (control, is_targeted) = CacheControl::for_this_cache(self.response);
        let now = age::seconds(self.arrived);
        let explicit = freshness::explicit(&control, is_targeted, self.response, now);
        if self.status != StatusCode::OK || explicit.is_none() {
            return Err(NotStorable::Method);
        }
        let as_get = Self {
            method: &Method::GET,
            ..*self
        };
        as_get.assess()
    }

    /// What forbids to store, whatever the lifetime.
    fn permitted(&self, control: &CacheControl) -> Result<(), NotStorable> {
        if control.must_understand && !UNDERSTOOD.contains(&self.status.as_u16()) {
            return Err(NotStorable::MustUnderstand);
        }
        // Section 5.2.2.3: who understands the status may ignore no-store beside must-understand.
        if control.no_store && !control.must_understand {
            return Err(NotStorable::NoStore);
        }
        // Section 5.2.1.5.
        if CacheControl::of(self.request).no_store {
            return Err(NotStorable::RequestNoStore);
        }
        if control.private {
            return Err(NotStorable::Private);
        }
        // Section 3.5.
        let shared = control.public || control.s_maxage.is_some();
        if self.request.contains_key(header::AUTHORIZATION) && !shared && !control.must_revalidate {
            return Err(NotStorable::Authorization);
        }
        // Section 4.1: `*` matches no request.
        if !vary::is_selectable(self.response) {
            return Err(NotStorable::Vary);
        }
        Ok(())
    }

    /// Section 3, last item of the list: there must be a reason to think it fresh.
    fn lifetime(
        &self,
        control: &CacheControl,
        targeted: bool,
        now: i64,
    ) -> Result<u32, NotStorable> {
        let explicit = freshness::explicit(control, targeted, self.response, now);
        let may_guess = control.public || freshness::is_heuristic(self.status);
        if explicit.is_none() && !may_guess {
            return Err(NotStorable::NoLifetime);
        }
        let own = || explicit.unwrap_or_else(|| freshness::heuristic(self.response, now));
        Ok(self.ttl().unwrap_or_else(own))
    }

    /// The lifetime that filters named. It is meant for what the site answers, not for its failures.
    fn ttl(&self) -> Option<u32> {
        self.filters.ttl.filter(|_| !self.status.is_server_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    const NOW: u64 = 1_795_000_000;

    fn with(
        request: &[(&'static str, &str)],
        status: u16,
        response: &[(&'static str, &str)],
        filters: &CacheDirectives,
    ) -> Result<Freshness, &'static str> {
        let at = Duration::from_secs(NOW);
        let (request, response) = (fields(request), fields(response));
        let candidate = Candidate {
            method: &Method::GET,
            request: &request,
            status: StatusCode::from_u16(status).unwrap(),
            response: &response,
            filters,
            asked: at,
            arrived: at,
        };
        candidate.assess().map_err(NotStorable::token)
    }

    fn of(status: u16, response: &[(&'static str, &str)]) -> Result<u32, &'static str> {
        with(&[], status, response, &CacheDirectives::default()).map(|fresh| fresh.lifetime)
    }

    #[test]
    fn what_must_not_be_stored_is_not() {
        for (field, why) in [
            (("cache-control", "max-age=60, no-store"), "no-store"),
            (("cache-control", "max-age=60, private"), "private"),
            (("cache-control", "private=\"x y\", max-age=60"), "private"),
            (("vary", "accept, *"), "vary"),
            (("x", "y"), "no-lifetime"),
            (("cache-control", "max-age=0"), "no-lifetime"),
            (("cdn-cache-control", "no-store"), "no-store"),
        ] {
            assert_eq!(of(200, &[field]), Err(why), "{field:?}");
        }
        assert_eq!(of(206, &[("cache-control", "max-age=60")]), Err("status"));
        for status in [304, 412, 416] {
            assert_eq!(
                of(status, &[("cache-control", "max-age=60")]),
                Err("status"),
                "{status}"
            );
        }
        let none = CacheDirectives::default();
        let no_store = [("cache-control", "no-store")];
        let fresh = [("cache-control", "max-age=60")];
        assert_eq!(with(&no_store, 200, &fresh, &none), Err("request-no-store"));
        let (request, response, at) = (HeaderMap::new(), fields(&fresh), Duration::from_secs(NOW));
        let post = Candidate {
            method: &Method::POST,
            request: &request,
            status: StatusCode::OK,
            response: &response,
            filters: &none,
            asked: at,
            arrived: at,
        };
        assert_eq!(post.assess(), Err(NotStorable::Method));
    }

    #[test]
    fn what_needs_no_lifetime_is_stored_to_be_asked_about() {
        assert_eq!(of(200, &[("etag", "\"a\"")]), Ok(0));
        assert_eq!(
            of(200, &[("etag", "\"a\""), ("cache-control", "no-cache")]),
            Ok(0)
        );
        assert_eq!(
            of(200, &[("cache-control", "max-age=0"), ("etag", "\"a\"")]),
            Ok(0)
        );
        assert_eq!(of(500, &[("etag", "\"a\"")]), Err("no-lifetime"));
        assert_eq!(of(302, &[("etag", "\"a\"")]), Err("no-lifetime"));
        assert_eq!(
            of(302, &[("etag", "\"a\""), ("cache-control", "public")]),
            Ok(0)
        );
        assert_eq!(of(500, &[("cache-control", "max-age=5")]), Ok(5));
        assert_eq!(of(299, &[("cache-control", "max-age=5")]), Ok(5));
    }

    #[test]
    fn must_understand_is_a_second_chance_for_known_statuses() {
        let fields = [("cache-control", "max-age=60, no-store, must-understand")];
        assert_eq!(of(200, &fields), Ok(60));
        assert_eq!(of(299, &fields), Err("must-understand"));
    }

    #[test]
    fn answers_to_authorized_requests_are_shared_when_they_say_so() {
        let asked = [("authorization", "x")];
        let none = CacheDirectives::default();
        for (text, expected) in [
            ("max-age=60", Err("authorization")),
            ("public, max-age=1", Ok(1)),
            ("s-maxage=1", Ok(1)),
            ("must-revalidate, max-age=1", Ok(1)),
        ] {
            let answer = with(&asked, 200, &[("cache-control", text)], &none);
            assert_eq!(answer.map(|fresh| fresh.lifetime), expected, "{text}");
        }
        let filters = CacheDirectives {
            ttl: Some(9),
            ..CacheDirectives::default()
        };
        assert_eq!(with(&asked, 200, &[], &filters), Err("authorization"));
    }

    #[test]
    fn a_cookie_is_shared_only_when_a_lifetime_is_meant() {
        let cookie = ("set-cookie", "a=b");
        let modified = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(of(200, &[cookie, modified]), Err("set-cookie"));
        assert_eq!(of(200, &[cookie, ("etag", "\"a\"")]), Err("set-cookie"));
        for meant in [
            ("cache-control", "max-age=60"),
            ("cdn-cache-control", "max-age=60"),
            ("cache-control", "public, max-age=60"),
        ] {
            assert_eq!(of(200, &[cookie, meant]), Ok(60));
        }
    }

    #[test]
    fn a_part_is_stored_when_it_can_be_placed() {
        let fresh = ("cache-control", "max-age=60");
        assert_eq!(of(206, &[fresh, ("content-range", "bytes 0-4/10")]), Ok(60));
        assert_eq!(
            of(206, &[fresh, ("content-range", "bytes 0-10/10")]),
            Err("status")
        );
        let modified = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(
            of(206, &[modified, ("content-range", "bytes 0-4/*")]),
            Ok(86_400)
        );
    }

    #[test]
    fn an_answer_to_post_may_stand_for_a_get() {
        let (request, at) = (HeaderMap::new(), Duration::from_secs(NOW));
        let none = CacheDirectives::default();
        let assess = |status, lines: &[(&'static str, &str)]| {
            let response = fields(lines);
            let post = Candidate {
                method: &Method::POST,
                request: &request,
                status,
                response: &response,
                filters: &none,
                asked: at,
                arrived: at,
            };
            post.assess_post().map(|fresh| fresh.lifetime)
        };
        let fresh = [("cache-control", "max-age=5")];
        assert_eq!(assess(StatusCode::OK, &fresh), Ok(5));
        assert_eq!(
            assess(StatusCode::CREATED, &fresh),
            Err(NotStorable::Method)
        );
        let modified = [("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(assess(StatusCode::OK, &modified), Err(NotStorable::Method));
        let private = [("cache-control", "max-age=5, private")];
        assert_eq!(assess(StatusCode::OK, &private), Err(NotStorable::Private));
    }

    #[test]
    fn a_targeted_field_takes_the_place_of_the_others() {
        let cdn = ("cdn-cache-control", "max-age=5");
        assert_eq!(of(200, &[cdn, ("cache-control", "no-store")]), Ok(5));
        assert_eq!(of(200, &[cdn, ("expires", "0")]), Ok(5));
        let broken = ("cdn-cache-control", "max-age = 5");
        assert_eq!(of(200, &[broken, ("cache-control", "max-age=7")]), Ok(7));
    }

    #[test]
    fn filters_have_the_last_word_on_lifetimes_and_none_on_secrecy() {
        let filters = CacheDirectives {
            ttl: Some(9),
            ..CacheDirectives::default()
        };
        let lifetime = |status, response: &[(&'static str, &str)]| {
            with(&[], status, response, &filters).map(|fresh| fresh.lifetime)
        };
        assert_eq!(lifetime(200, &[]), Ok(9));
        assert_eq!(lifetime(404, &[]), Ok(9));
        assert_eq!(lifetime(200, &[("cache-control", "max-age=60")]), Ok(9));
        assert_eq!(
            lifetime(200, &[("cache-control", "no-store")]),
            Err("no-store")
        );
        assert_eq!(
            lifetime(403, &[]),
            Err("no-lifetime"),
            "only what may be guessed at"
        );
        assert_eq!(
            lifetime(503, &[]),
            Err("no-lifetime"),
            "a failure is not the site's answer"
        );
        assert_eq!(lifetime(503, &[("cache-control", "max-age=1")]), Ok(1));
        let no_cache = [("cache-control", "no-cache")];
        assert!(!with(&[], 200, &no_cache, &filters).unwrap().no_cache);
        let bypass = CacheDirectives {
            bypass: Some("x".into()),
            ..CacheDirectives::default()
        };
        assert_eq!(
            with(&[], 200, &[("cache-control", "max-age=1")], &bypass),
            Err("bypass")
        );
    }
}
