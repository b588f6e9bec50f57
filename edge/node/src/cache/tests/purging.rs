//! Purges, and writes that purge.

use http::Request;
use zephyr_edge_core::cache_policy::CacheDirectives;

use super::super::Purge;
use super::support::{FRESH, Next, Site, chunks, read, run, settle};

fn key(key: &str) -> Purge {
    Purge::Keys(vec![key.into()])
}

#[test]
fn a_purge_reaches_what_is_stored_and_what_is_on_its_way() {
    run(async {
        let tagged = |_| Next::Answer(200, vec![FRESH, ("surrogate-key", "k")], "one");
        let site = Site::gated((0..4).map(tagged).collect());
        site.open(1);
        site.get("/").await;
        assert_eq!(site.cache.purge(&key("k")), 1);
        let flying = site.spawn_get("/");
        settle().await;
        site.cache.purge(&key("k"));
        site.open(3);
        assert_eq!(flying.await.unwrap().2, "one");
        assert!(
            site.get("/").await.1.contains("fwd=uri-miss"),
            "it was old when it came"
        );
        assert!(site.get("/").await.1.starts_with("hit"));
        site.cache.purge(&Purge::Url("http://A.example/".into()));
        assert!(site.get("/").await.1.contains("fwd=uri-miss"));
    });
}

#[test]
fn any_purge_reaches_an_answer_whose_body_is_on_its_way() {
    run(async {
        let fields = || vec![FRESH, ("surrogate-key", "k")];
        for purge in [key("k"), Purge::Url("http://a.example/".into()), Purge::All] {
            let (sender, next) = chunks(fields());
            let site = Site::new(vec![next, Next::Answer(200, fields(), "new")]);
            let (_, body) = site.begin(Request::get("/")).await.unwrap();
            site.cache.purge(&purge);
            sender.send(Ok("old".into())).unwrap();
            drop(sender);
            assert_eq!(read(body).await, "old");
            assert_eq!(site.get("/").await.2, "new", "{purge:?}");
        }
    });
}

#[test]
fn who_waits_for_something_purged_gets_something_newer() {
    run(async {
        let answer = |body| Next::Answer(200, vec![FRESH], body);
        let site = Site::gated(vec![answer("old"), answer("new")]);
        let first = site.spawn_get("/");
        settle().await;
        site.cache.purge(&Purge::All);
        let second = site.spawn_get("/");
        settle().await;
        site.open(2);
        assert_eq!(
            (
                first.await.unwrap().2.as_str(),
                second.await.unwrap().2.as_str()
            ),
            ("old", "new")
        );
    });
}

#[test]
fn a_purge_of_a_url_reaches_it_under_the_query_that_counts() {
    run(async {
        let mut site = Site::new(
            (0..3)
                .map(|_| Next::Answer(200, vec![FRESH], "x"))
                .collect(),
        );
        site.filters = CacheDirectives {
            key_query: Some(Some("a=1".into())),
            ..CacheDirectives::default()
        };
        for url in ["http://a.example/?a=1", "http://a.example/?a=1&utm=x"] {
            site.get("/?a=1&utm=x").await;
            assert_eq!(site.cache.purge(&Purge::Url(url.into())), 1, "{url}");
            assert_eq!(site.cache.purge(&Purge::Url("http://a.example/".into())), 0);
        }
    });
}

#[test]
fn keys_of_filters_purge_too() {
    run(async {
        let mut site = Site::new(vec![Next::Answer(200, vec![FRESH], "x")]);
        site.filters.surrogate_keys.push("route".into());
        site.get("/").await;
        assert_eq!(site.cache.purge(&key("route")), 1);
    });
}

#[test]
fn a_write_drops_its_url_and_its_groups_before_it_is_answered() {
    run(async {
        let grouped = |body| Next::Answer(200, vec![FRESH, ("cache-groups", "\"g\"")], body);
        let named = |body| Next::Answer(200, vec![FRESH], body);
        let site = Site::new(vec![
            grouped("list"),
            named("item"),
            named("other"),
            Next::Answer(403, vec![("location", "/other")], ""),
            Next::Answer(
                201,
                vec![
                    ("cache-group-invalidation", "\"g\""),
                    ("location", "/other"),
                ],
                "done",
            ),
            grouped("list 2"),
            named("item 2"),
            named("other 2"),
        ]);
        for path in ["/list", "/item", "/other"] {
            site.get(path).await;
        }
        assert_eq!(site.ask(Request::post("/item")).await.0.0, 403);
        for path in ["/list", "/item", "/other"] {
            assert!(
                site.get(path).await.1.starts_with("hit"),
                "nothing has changed"
            );
        }
        // Its body has not been read when the others ask.
        let (parts, _unread) = site.begin(Request::post("/item")).await.unwrap();
        assert_eq!(
            parts.headers["cache-status"],
            "Zephyr; fwd=method; fwd-status=201"
        );
        assert_eq!(site.get("/list").await.2, "list 2");
        assert_eq!(site.get("/item").await.2, "item 2");
        assert_eq!(site.get("/other").await.2, "other 2");
    });
}

#[test]
fn a_write_drops_nothing_of_another_origin() {
    run(async {
        let grouped = |body| Next::Answer(200, vec![FRESH, ("cache-groups", "\"g\"")], body);
        let site = Site::new(vec![
            grouped("one"),
            Next::Answer(
                200,
                vec![
                    ("cache-group-invalidation", "\"g\""),
                    ("location", "http://a.example/"),
                ],
                "",
            ),
            // A safe method drops nothing (RFC 9875, section 3).
            Next::Answer(
                200,
                vec![FRESH, ("cache-group-invalidation", "\"g\"")],
                "safe",
            ),
        ]);
        site.get("/").await;
        let mut x = site.exchange(Request::post("/"));
        x.authority = "b.example".into();
        let fetch: std::rc::Rc<dyn super::super::Fetch> = site.script.clone();
        site.cache
            .serve(&mut x, crate::body::Body::Empty, &fetch)
            .await
            .unwrap();
        site.get("/safe").await;
        assert!(site.get("/").await.1.starts_with("hit"));
    });
}

#[test]
fn a_write_drops_what_began_before_it() {
    run(async {
        let site = Site::gated(vec![
            Next::Answer(204, vec![], ""),
            Next::Answer(200, vec![FRESH], "old"),
            Next::Answer(200, vec![FRESH], "new"),
        ]);
        let reads = site.spawn_get("/");
        settle().await;
        let write = {
            let site = std::rc::Rc::clone(&site);
            tokio::task::spawn_local(async move { site.ask(Request::put("/")).await.0 })
        };
        settle().await;
        // The gate lets the reader go first, which takes the first answer of the script: give the
        // writer's to the writer.
        site.script.next.borrow_mut().swap(0, 1);
        site.open(1);
        settle().await;
        site.open(2);
        assert_eq!(reads.await.unwrap().2, "old");
        assert_eq!(write.await.unwrap().0, 204);
        assert_eq!(site.get("/").await.2, "new");
    });
}

#[test]
fn a_hundred_thousand_answers_are_purged_at_once() {
    run(async {
        let mut site = Site::with(
            super::super::CacheConfig {
                max_bytes: 512 << 20,
                ..super::support::CONFIG
            },
            super::support::Script::default(),
        );
        site.filters.surrogate_keys.push("all".into());
        for number in 0..100_000 {
            site.script
                .next
                .borrow_mut()
                .push_back(Next::Answer(200, vec![FRESH], "x"));
            site.get(&format!("/{number}")).await;
        }
        let stats = site.cache.stats();
        assert_eq!(stats.entries, 100_000);
        {
            // It needs none of them: it is done at once, however many there are.
            let _locked: Vec<_> = site
                .cache
                .slots
                .iter()
                .map(|slot| slot.shard.lock())
                .collect();
            assert_eq!(site.cache.purge(&key("all")), 100_000);
        }
        // What they take is given back as new ones come.
        for number in 0..1000 {
            site.script
                .next
                .borrow_mut()
                .push_back(Next::Answer(200, vec![FRESH], "x"));
            site.get(&format!("/new/{number}")).await;
        }
        let after = site.cache.stats();
        assert_eq!(after.entries, 1000);
        assert!(after.bytes < stats.bytes / 50, "{after:?}");
    });
}
