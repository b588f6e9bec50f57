//! Stale answers: asked about, refreshed in the background, given when the upstream fails.

use http::Request;
use zephyr_edge_core::cache_policy::CacheDirectives;

use super::support::{FRESH, Next, Site, run, settle};

#[test]
fn a_stale_answer_is_asked_about_and_a_304_makes_it_fresh() {
    run(async {
        let site = Site::new(vec![
            Next::Answer(
                200,
                vec![
                    FRESH,
                    ("etag", "\"a\""),
                    ("x-old", "1"),
                    ("surrogate-key", "k"),
                ],
                "one",
            ),
            Next::Answer(
                304,
                vec![
                    ("cache-control", "max-age=30"),
                    ("x-new", "2"),
                    ("surrogate-key", "l"),
                ],
                "",
            ),
            Next::Answer(200, vec![FRESH], "two"),
        ]);
        site.get("/").await;
        site.wait(60);
        let ((status, told, body), headers) = site.ask(Request::get("/")).await;
        assert_eq!((status, body.as_str()), (200, "one"));
        assert_eq!(told, "fwd=stale; fwd-status=304; ttl=30; stored");
        assert_eq!(
            (&headers["x-old"], &headers["x-new"]),
            (&"1".parse().unwrap(), &"2".parse().unwrap())
        );
        assert!(!headers.contains_key("surrogate-key"));
        assert_eq!(site.script.seen.borrow()[1]["if-none-match"], "\"a\"");
        site.wait(29);
        assert_eq!(site.get("/").await.1, "hit; ttl=1");
        assert_eq!(site.trips(), 2);
        for key in ["k", "l"] {
            let purge = super::super::Purge::Keys(vec![key.into()]);
            assert_eq!(site.cache.purge(&purge), 1, "{key}");
        }
    });
}

#[test]
fn a_304_keeps_what_was_said_to_this_kind_of_cache() {
    run(async {
        let fields = vec![
            ("cdn-cache-control", "max-age=5"),
            ("cdn-cache-control", "x"),
            ("cache-control", "no-store"),
            ("etag", "\"a\""),
        ];
        let site = Site::new(vec![
            Next::Answer(200, fields, "one"),
            Next::Answer(304, vec![], ""),
        ]);
        site.get("/").await;
        site.wait(5);
        assert_eq!(
            site.get("/").await.1,
            "fwd=stale; fwd-status=304; ttl=5; stored"
        );
    });
}

#[test]
fn a_304_that_is_about_something_else_is_not_believed() {
    run(async {
        let site = Site::new(vec![
            Next::Answer(200, vec![FRESH, ("etag", "\"a\"")], "one"),
            Next::Answer(304, vec![FRESH, ("etag", "\"b\"")], ""),
            Next::Answer(200, vec![FRESH, ("etag", "\"b\"")], "two"),
            Next::Answer(304, vec![], ""),
        ]);
        site.get("/").await;
        site.wait(60);
        assert_eq!(site.get("/").await.2, "two");
        assert!(!site.script.seen.borrow()[2].contains_key("if-none-match"));
        assert_eq!(site.get("/other").await.0, 502, "nobody asked a question");
    });
}

#[test]
fn a_304_that_forbids_to_store_ends_it() {
    run(async {
        let site = Site::new(vec![
            Next::Answer(200, vec![FRESH, ("etag", "\"a\"")], "one"),
            Next::Answer(304, vec![("cache-control", "no-store")], ""),
        ]);
        site.get("/").await;
        site.wait(60);
        assert_eq!(site.get("/").await.2, "one");
        assert_eq!(site.cache.stats().entries, 0);
    });
}

#[test]
fn stale_while_revalidate_refreshes_behind_the_clients_back_once() {
    run(async {
        let swr = ("cache-control", "max-age=60, stale-while-revalidate=600");
        let site = Site::gated(vec![
            Next::Answer(200, vec![swr], "old"),
            Next::Answer(200, vec![swr], "new"),
        ]);
        site.open(1);
        site.get("/").await;
        site.wait(100);
        for _ in 0..3 {
            let (_, told, body) = site.get("/").await;
            assert_eq!(
                (told.as_str(), body.as_str()),
                ("hit; ttl=-40; detail=stale-while-revalidate", "old")
            );
            settle().await;
        }
        assert_eq!(site.script.inside.get(), 2);
        site.open(1);
        settle().await;
        assert_eq!(
            site.get("/").await,
            (200, "hit; ttl=60".into(), "new".into())
        );
        assert_eq!(site.trips(), 2);
    });
}

#[test]
fn a_head_refreshes_with_a_get() {
    run(async {
        let swr = ("cache-control", "max-age=60, stale-while-revalidate=600");
        let site = Site::new(vec![
            Next::Answer(200, vec![swr], "old"),
            Next::Answer(200, vec![swr], "newer"),
        ]);
        site.get("/").await;
        site.wait(100);
        let head = site
            .ask(Request::head("/").header("if-none-match", "\"x\""))
            .await;
        assert_eq!(head.1["content-length"], "3");
        settle().await;
        assert_eq!(site.get("/").await.2, "newer");
    });
}

#[test]
fn what_is_stale_from_the_start_is_refreshed_all_the_same() {
    run(async {
        let swr = ("cache-control", "max-age=0, stale-while-revalidate=600");
        let site = Site::new(
            (0..3)
                .map(|n| Next::Answer(200, vec![swr], ["a", "b", "c"][n]))
                .collect(),
        );
        assert_eq!(site.get("/").await.2, "a");
        assert_eq!(site.get("/").await.2, "a");
        settle().await;
        assert_eq!(site.get("/").await.2, "b");
        settle().await;
        assert_eq!(site.trips(), 3);
    });
}

#[test]
fn a_refresh_that_fails_is_not_tried_at_every_hit() {
    run(async {
        let swr = ("cache-control", "max-age=60, stale-while-revalidate=600");
        let site = Site::new(vec![
            Next::Answer(200, vec![swr], "old"),
            Next::Down,
            Next::Answer(200, vec![swr], "new"),
        ]);
        site.get("/").await;
        site.wait(100);
        for _ in 0..3 {
            assert_eq!(site.get("/").await.2, "old");
            settle().await;
        }
        assert_eq!(site.trips(), 2);
        site.wait(5);
        site.get("/").await;
        settle().await;
        assert_eq!(site.get("/").await.2, "new");
    });
}

#[test]
fn a_refresh_that_may_not_be_stored_ends_the_old_answer() {
    run(async {
        let swr = ("cache-control", "max-age=60, stale-while-revalidate=600");
        let site = Site::new(vec![
            Next::Answer(200, vec![swr], "old"),
            Next::Answer(200, vec![("cache-control", "no-store")], "secret"),
            Next::Answer(200, vec![("cache-control", "no-store")], "secret 2"),
        ]);
        site.get("/").await;
        site.wait(100);
        assert_eq!(site.get("/").await.2, "old");
        settle().await;
        assert_eq!(site.get("/").await.2, "secret 2");
    });
}

#[test]
fn a_failure_is_covered_by_a_stale_answer_that_may() {
    run(async {
        let sie = ("cache-control", "max-age=60, stale-if-error=600");
        let site = Site::new(vec![
            Next::Answer(200, vec![sie], "old"),
            Next::Down,
            Next::Answer(503, vec![], "no"),
            Next::Answer(404, vec![], "gone"),
        ]);
        site.get("/").await;
        site.wait(100);
        let covered = (200, "old".to_owned());
        let (status, told, body) = site.get("/").await;
        assert_eq!((status, body), covered);
        assert_eq!(told, "fwd=stale; ttl=-40; detail=stale-if-error");
        let (_, told, _) = site.get("/").await;
        assert_eq!(
            told, "hit; ttl=-40; detail=stale-if-error",
            "it is not asked again at once"
        );
        assert_eq!(site.trips(), 2);
        site.wait(5);
        let (status, told, body) = site.get("/").await;
        assert_eq!((status, body), covered);
        assert_eq!(
            told,
            "fwd=stale; fwd-status=503; ttl=-45; detail=stale-if-error"
        );
        site.wait(5);
        assert_eq!(site.get("/").await.0, 404, "an answer is no failure");
    });
}

#[test]
fn who_is_cut_off_may_give_what_is_stale() {
    run(async {
        let site = Site::new(vec![
            Next::Answer(200, vec![FRESH], "old"),
            Next::Down,
            Next::Answer(503, vec![], "no"),
            Next::Answer(500, vec![], "broken"),
        ]);
        site.get("/").await;
        site.wait(100);
        for _ in 0..2 {
            assert_eq!(site.get("/").await.2, "old");
            site.wait(5);
        }
        assert_eq!(site.get("/").await.0, 500, "the upstream was reached");
        assert_eq!(site.trips(), 4);
    });
}

#[test]
fn an_answer_that_must_be_checked_covers_nothing() {
    run(async {
        let strict = (
            "cache-control",
            "max-age=60, stale-if-error=600, must-revalidate",
        );
        let next = || vec![Next::Answer(200, vec![strict], "old"), Next::Down];
        let site = Site::new(next());
        site.get("/").await;
        site.wait(100);
        assert_eq!(site.get("/").await.0, 504, "section 5.2.2.2");

        let mut site = Site::new(next());
        site.filters = CacheDirectives {
            stale_if_error: Some(600),
            ..CacheDirectives::default()
        };
        site.get("/").await;
        site.wait(100);
        assert_eq!(site.get("/").await.2, "old", "the site's own word counts");
    });
}

#[test]
fn a_failure_does_not_push_out_what_is_stored() {
    run(async {
        let site = Site::new(vec![
            Next::Answer(200, vec![FRESH, ("etag", "\"a\"")], "one"),
            Next::Answer(500, vec![], "no"),
            Next::Answer(304, vec![FRESH], ""),
        ]);
        site.get("/").await;
        site.wait(60);
        assert_eq!(site.get("/").await.0, 500);
        assert_eq!(site.get("/").await.2, "one");
    });
}
