//! No bytes are too odd: every function that reads fields takes whatever a field can hold, seeded with
//! odd values that were really seen, and what it says keeps its promises.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use proptest::prelude::*;
use zephyr_cache::explain::{Seen, explain};
use zephyr_cache::{
    Candidate, Head, Part, RequestDirectives, Selection, answer, conditional, groups, invalidate,
    range, reuse, revalidate,
};
use zephyr_edge_core::cache_policy::CacheDirectives;

const NOW: Duration = Duration::from_secs(1_795_000_000);

/// Odd values, of servers and of test suites.
const SEEDS: &[&[u8]] = &[
    b"max-age=3600, s-maxage=\"60\", no-cache=\"set-cookie, x\", private=a",
    b"max-age = 10, max-age=-1, max-age=1.5, MAX-AGE=\"6",
    b"public, max-age=99999999999999999999999, stale-while-revalidate, stale-if-error=x",
    b"no-store,must-understand,,, x=\"a\\\"b",
    b"max-age=60;zephyr, no-store;other, max-age=60+30",
    b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"Sunday, 06-Nov-94 08:49:37 GMT",
    b"Sun Nov  6 08:49:37 1994",
    b"Thu, 18 Aug 2050 02:01:18 UTC",
    b"0",
    b"-1",
    b"7200;foo=bar, 0",
    b"\"a,b\", W/\"c\", d, *",
    b"W/\"",
    b"\"abcdef\xfc\"",
    b"bytes=0-4, -5",
    b"bytes=18446744073709551615-",
    b"bytes 4-9/10",
    b"bytes */10",
    b"bytes 0-18446744073709551614/18446744073709551615",
    b"Accept-Language, *, \xff",
    b"en;q=0.5, de;q=1.0, fr;q=1.1",
    b"(\"a\" \"b\");x, \"c\"",
    b"../..//a?b#c",
    b"http://a.example:99999/",
];

/// Fields that the cache reads.
const NAMES: &[&str] = &[
    "cache-control",
    "cdn-cache-control",
    "surrogate-control",
    "expires",
    "date",
    "age",
    "last-modified",
    "etag",
    "vary",
    "content-range",
    "content-length",
    "content-language",
    "content-location",
    "location",
    "set-cookie",
    "if-none-match",
    "if-modified-since",
    "if-range",
    "range",
    "accept-language",
    "authorization",
    "surrogate-key",
    "cache-tag",
    "cache-groups",
    "cache-group-invalidation",
    "cache-status",
];

/// A seed with some of its bytes changed, or any bytes.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let mutated = (
        prop::sample::select(SEEDS),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    );
    let mutated = mutated.prop_map(|(seed, changes)| {
        let mut bytes = seed.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    prop_oneof![4 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..60)]
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let field = (prop::sample::select(NAMES), value());
    prop::collection::vec(field, 0..6).prop_map(|fields| {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                map.append(name, value);
            }
        }
        map
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_exchange_is_too_odd(
        request in headers(), response in headers(), later in headers(), status in 200_u16..600,
        method in prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST]),
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let filters = CacheDirectives::default();
        let candidate = Candidate {
            method: &Method::GET,
            request: &request,
            status,
            response: &response,
            filters: &filters,
            asked: NOW,
            arrived: NOW,
        };
        let uri = Uri::from_static("/x/y?z");
        let seen = Seen {
            method: &method,
            scheme: "http",
            authority: "a.example",
            uri: &uri,
            request: &request,
            status,
            response: &response,
            asked: NOW,
            arrived: NOW,
        };
        prop_assert!(!explain(&seen).is_empty());
        let _ = candidate.assess_post();
        let _ = (groups::surrogate_keys(&response), groups::of(&response), groups::invalidated(&response));
        for url in invalidate::also(&response, "http", "a.example", "/x/y") {
            prop_assert!(url.starts_with("http://a.example/"), "{}", url);
        }
        let _ = invalidate::names_itself(&response, "http", "a.example", &uri);
        if let range::Range::Part(first, last) = range::select(&later, &response, 10) {
            prop_assert!(first <= last && last < 10);
        }
        let _ = conditional::not_modified(&later, &response, 1_795_000_000);

        let Ok(freshness) = candidate.assess() else { return Ok(()) };
        let head = Head::new(status, &response);
        let selection = Selection::new(&response, &request);
        prop_assert!(selection.is_some_and(|selection| selection.matches(&request)));
        let directives = RequestDirectives::of(&later);
        let _ = reuse::look(&freshness, &directives, NOW, false);
        let part = Part::of(&request, &response).filter(|_| status == StatusCode::PARTIAL_CONTENT);
        let length = part.map_or(10, |part| part.len());
        let told = zephyr_cache::Status::default();
        let (_, given) = answer::from_store(
            &head, part.as_ref(), length, &freshness, &method, &later, NOW, &told,
        );
        if let answer::Part::Range(first, last) = given {
            prop_assert!(first <= last && last < length, "{}-{} of {}", first, last, length);
        }
        let _ = revalidate::freshened(&head, &later, NOW);
        let _ = revalidate::after_head(&head, &later, NOW);
        if let Some(part) = part {
            let _ = part.lacking(&later, &response);
            let _ = Part::of(&later, &later).and_then(|next| part.joined(&response, &next, &later));
        }
    }
}
