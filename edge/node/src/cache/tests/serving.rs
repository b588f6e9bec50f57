//! From one stored answer to many kinds of requests.

use http::Request;
use zephyr_edge_core::cache_policy::CacheDirectives;

use super::support::{FRESH, Next, Site, run};

#[test]
fn a_miss_then_hits_that_grow_old() {
    run(async {
        let fields = vec![
            FRESH,
            ("age", "10"),
            ("surrogate-key", "k"),
            ("cache-tag", "t"),
        ];
        let site = Site::new(vec![Next::Answer(200, fields, "one")]);
        let ((status, told, body), headers) = site.ask(Request::get("/")).await;
        assert_eq!((status, body.as_str()), (200, "one"));
        assert_eq!(told, "fwd=uri-miss; fwd-status=200; ttl=50; stored");
        assert!(
            headers.contains_key("date"),
            "an answer without one gets that of its arrival"
        );
        for hidden in ["surrogate-key", "cache-tag"] {
            assert!(!headers.contains_key(hidden), "{hidden} is for the cache");
        }
        site.wait(20);
        let ((_, told, body), later) = site.ask(Request::get("/")).await;
        assert_eq!((told.as_str(), body.as_str()), ("hit; ttl=30", "one"));
        assert_eq!(
            (&later["age"], &later["date"]),
            (&"30".parse().unwrap(), &headers["date"])
        );
        assert!(!later.contains_key("surrogate-key"));
        site.wait(29);
        assert_eq!(site.get("/").await.1, "hit; ttl=1");
        assert_eq!(
            (
                site.trips(),
                site.cache.stats().hits,
                site.cache.stats().misses
            ),
            (1, 2, 1)
        );
    });
}

#[test]
fn one_stored_answer_serves_heads_conditions_and_ranges() {
    run(async {
        let fields = vec![
            FRESH,
            ("etag", "\"a\""),
            ("content-type", "text/plain"),
            ("cache-groups", "\"g\""),
        ];
        let site = Site::new(vec![Next::Answer(200, fields, "0123456789")]);
        site.get("/").await;
        let ((status, _, body), headers) = site.ask(Request::head("/")).await;
        assert_eq!(
            (status, body.as_str(), &headers["content-length"]),
            (200, "", &"10".parse().unwrap())
        );
        assert_eq!(headers["cache-groups"], "\"g\"");
        let if_none_match = Request::get("/").header("if-none-match", "\"a\"");
        let ((status, told, body), headers) = site.ask(if_none_match).await;
        assert_eq!(
            (status, told.as_str(), body.as_str()),
            (304, "hit; ttl=60", "")
        );
        assert!(!headers.contains_key("content-type") && headers["etag"] == "\"a\"");
        let ((status, _, body), headers) = site
            .ask(Request::get("/").header("range", "bytes=2-4"))
            .await;
        assert_eq!((status, body.as_str()), (206, "234"));
        assert_eq!(
            (&headers["content-range"], &headers["content-length"]),
            (&"bytes 2-4/10".parse().unwrap(), &"3".parse().unwrap())
        );
        let ((status, ..), headers) = site
            .ask(Request::get("/").header("range", "bytes=10-"))
            .await;
        assert_eq!(
            (status, &headers["content-range"]),
            (416, &"bytes */10".parse().unwrap())
        );
        assert_eq!(
            headers["cache-control"], "no-store",
            "nobody stores that as the answer"
        );
        let ((status, _, body), headers) = site
            .ask(Request::head("/").header("range", "bytes=2-4"))
            .await;
        assert_eq!((status, body.as_str()), (200, ""));
        assert_eq!(headers["content-length"], "10");
        assert_eq!(site.trips(), 1);
    });
}

#[test]
fn conditions_of_a_miss_are_the_upstreams() {
    run(async {
        let fields = || vec![FRESH, ("etag", "\"a\"")];
        let site = Site::new(vec![
            Next::Answer(304, fields(), ""),
            Next::Answer(200, fields(), "one"),
        ]);
        let asks = || Request::get("/").header("if-none-match", "\"a\"");
        let (seen, _) = site.ask(asks()).await;
        assert_eq!(
            (seen.0, seen.1.as_str()),
            (304, "fwd=uri-miss; fwd-status=304")
        );
        assert_eq!(site.script.seen.borrow()[0]["if-none-match"], "\"a\"");
        let (seen, _) = site.ask(asks()).await;
        assert_eq!((seen.0, seen.2.as_str()), (304, ""), "what came is checked");
        assert_eq!(
            site.get("/").await,
            (200, "hit; ttl=60".into(), "one".into())
        );
    });
}

#[test]
fn what_is_not_for_a_cache_passes_through() {
    run(async {
        let answer = |body| Next::Answer(200, vec![FRESH, ("surrogate-key", "k")], body);
        let site = Site::new((0..8).map(|_| answer("x")).collect());
        for (request, told) in [
            (Request::options("/"), "fwd=method; fwd-status=200"),
            (Request::head("/"), "fwd=uri-miss; fwd-status=200"),
            (
                Request::get("/part").header("range", "bytes=0-1"),
                "fwd=uri-miss; fwd-status=200; ttl=60; stored",
            ),
            (
                Request::get("/").header("if-match", "\"a\""),
                "fwd=request; fwd-status=200; detail=precondition",
            ),
        ] {
            let (seen, headers) = site.ask(request).await;
            assert_eq!(seen.1, told);
            assert!(!headers.contains_key("surrogate-key"));
        }
        let seen = site.script.seen.borrow();
        assert_eq!(
            (&seen[2]["range"], &seen[3]["if-match"]),
            (&"bytes=0-1".parse().unwrap(), &"\"a\"".parse().unwrap())
        );
        drop(seen);
        assert_eq!(
            site.cache.stats().entries,
            1,
            "a whole that came for a part"
        );
        assert_eq!(site.cache.stats().misses, 4);
    });
}

#[test]
fn only_if_cached_asks_nobody() {
    run(async {
        let site = Site::new(vec![]);
        let request = Request::get("/").header("cache-control", "only-if-cached");
        assert_eq!(site.ask(request).await.0.0, 504);
        assert_eq!(site.trips(), 0);
    });
}

#[test]
fn filters_choose_key_lifetime_and_bypass() {
    run(async {
        let plain = |body| Next::Answer(200, vec![], body);
        let mut site = Site::new(vec![
            plain("one"),
            plain("two"),
            plain("three"),
            plain("four"),
        ]);
        site.filters = CacheDirectives {
            ttl: Some(5),
            key_query: Some(Some("a=1".into())),
            ..CacheDirectives::default()
        };
        assert_eq!(
            site.get("/?a=1&utm_source=x").await.1,
            "fwd=uri-miss; fwd-status=200; ttl=5; stored"
        );
        assert_eq!(site.get("/?a=1").await.1, "hit; ttl=5");
        site.filters.key_parts.push("beta".into());
        assert_eq!(site.get("/?a=1").await.2, "two");
        site.filters.bypass = Some("signed-in".into());
        let seen = site.get("/?a=1").await;
        assert_eq!(
            (seen.1.as_str(), seen.2.as_str()),
            ("fwd=bypass; fwd-status=200; detail=signed-in", "three")
        );
        // Said in `on-upstream`.
        site.filters = CacheDirectives::default();
        *site.script.filters.borrow_mut() = Some(CacheDirectives {
            bypass: Some("no".into()),
            ..CacheDirectives::default()
        });
        assert_eq!(
            site.get("/other").await.1,
            "fwd=uri-miss; fwd-status=200; detail=no"
        );
        assert_eq!(site.cache.stats().entries, 2);
    });
}

#[test]
fn caches_before_this_one_are_told_about_first() {
    run(async {
        let fields = vec![
            FRESH,
            ("cache-status", "Origin; hit"),
            ("cache-status", "Mid; fwd=miss"),
        ];
        let site = Site::new(vec![Next::Answer(200, fields, "one")]);
        let before = "Origin; hit, Mid; fwd=miss, Zephyr; ";
        assert_eq!(
            site.get("/").await.1,
            format!("{before}fwd=uri-miss; fwd-status=200; ttl=60; stored")
        );
        let ((_, told, _), headers) = site.ask(Request::get("/")).await;
        assert_eq!(told, format!("{before}hit; ttl=60"));
        assert_eq!(headers.get_all("cache-status").iter().count(), 1);
    });
}

#[test]
fn a_request_can_ask_for_more_than_fresh() {
    run(async {
        let fields = || vec![FRESH, ("etag", "\"a\"")];
        let site = Site::new(vec![
            Next::Answer(200, fields(), "one"),
            Next::Answer(304, fields(), ""),
            Next::Answer(200, fields(), "two"),
        ]);
        site.get("/").await;
        site.wait(30);
        let asks = async |text| {
            site.ask(Request::get("/").header("cache-control", text))
                .await
                .0
        };
        assert_eq!(asks("max-age=30").await.1, "hit; ttl=30");
        assert_eq!(
            asks("max-age=29").await.1,
            "fwd=request; fwd-status=304; ttl=60; stored"
        );
        assert_eq!(asks("no-cache").await.2, "two");
        site.wait(70);
        assert_eq!(
            asks("max-stale=10").await.1,
            "hit; ttl=-10; detail=max-stale"
        );
        assert_eq!(asks("only-if-cached").await.0, 504);
        assert_eq!(site.trips(), 3);
    });
}
