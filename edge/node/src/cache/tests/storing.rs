//! What is kept, and what goes when there is no more room.

use http::Request;

use super::super::{CacheConfig, Purge};
use super::support::{CONFIG, FRESH, Next, Script, Site, run};

fn recount(site: &Site) -> u64 {
    let recount = |slot: &super::super::Slot| slot.shard.lock().recount() as u64;
    site.cache.slots.iter().map(recount).sum()
}

#[test]
fn a_full_cache_keeps_what_is_asked_for_again() {
    run(async {
        let body: &'static str = Box::leak("x".repeat(32 << 10).into_boxed_str());
        let site = Site::new(
            (0..2001)
                .map(|_| Next::Answer(200, vec![FRESH], body))
                .collect(),
        );
        site.get("/popular").await;
        for number in 0..2000 {
            site.get(&format!("/once/{number}")).await;
            assert!(
                site.get("/popular").await.1.starts_with("hit"),
                "after {number} others"
            );
        }
        let stats = site.cache.stats();
        assert!(stats.bytes <= 8 << 20, "{stats:?}");
        assert!(stats.bytes > 7 << 20, "{stats:?}");
        assert_eq!(stats.bytes, recount(&site));
        assert_eq!(site.cache.purge(&Purge::All) as u64, stats.entries);
        assert_eq!(site.cache.stats().bytes, 0);
    });
}

#[test]
fn heads_and_keys_count_as_well() {
    run(async {
        let long: &'static str = Box::leak("x".repeat(8 << 10).into_boxed_str());
        let answer = || Next::Answer(200, vec![FRESH, ("x-long", long)], "");
        let site = Site::new((0..2000).map(|_| answer()).collect());
        for number in 0..2000 {
            site.get(&format!("/{number}?{long}")).await;
        }
        let stats = site.cache.stats();
        assert!(stats.bytes <= 8 << 20, "{stats:?}");
        assert!(stats.entries <= 512, "16 KiB each: {stats:?}");
        assert_eq!(stats.bytes, recount(&site));
    });
}

#[test]
fn bytes_are_right_after_all_that_can_happen() {
    run(async {
        let site = Site::new(vec![]);
        for number in 0_u32..3000 {
            let body: &'static str = ["a", "bb", "ccc", "dddd"][number as usize % 4];
            let fields = vec![
                FRESH,
                ("vary", "x-a"),
                ("surrogate-key", "k"),
                ("etag", "\"a\""),
            ];
            let next = match number % 7 {
                0 => Next::Answer(304, vec![FRESH, ("etag", "\"a\"")], ""),
                1 => Next::Answer(200, vec![("cache-control", "no-store")], body),
                _ => Next::Answer(200, fields, body),
            };
            *site.script.next.borrow_mut() = [next].into();
            let value = ["1", "2", "3", "4", "5", "6"][number as usize % 6];
            site.ask(Request::get(format!("/{}", number % 11)).header("x-a", value))
                .await;
            if number % 13 == 0 {
                site.wait(61);
            }
            if number % 101 == 0 {
                site.cache.purge(&Purge::Keys(vec!["k".into()]));
            }
            assert_eq!(site.cache.stats().bytes, recount(&site), "after {number}");
        }
        assert!(site.cache.stats().entries > 0);
    });
}

#[test]
fn variants_are_kept_apart_and_bounded() {
    run(async {
        let vary = |body| Next::Answer(200, vec![FRESH, ("vary", "accept-language")], body);
        let bodies = ["de", "en", "fr", "it", "es", "de 2"];
        let site = Site::new(bodies.into_iter().map(vary).collect());
        let ask = async |language: &'static str| {
            site.ask(Request::get("/").header("accept-language", language))
                .await
                .0
        };
        assert_eq!(ask("de").await.2, "de");
        assert_eq!(
            ask("en").await.1,
            "fwd=vary-miss; fwd-status=200; ttl=60; stored"
        );
        assert_eq!(
            ask(" DE").await.1,
            "hit; ttl=60",
            "no difference in meaning"
        );
        for language in ["fr", "it", "es"] {
            ask(language).await;
        }
        assert_eq!(ask("de").await.2, "de 2", "four are kept, the oldest goes");
        assert_eq!(site.cache.stats().entries, 1);
    });
}

#[test]
fn an_answer_that_varies_on_everything_is_not_stored() {
    run(async {
        let vary = |_| Next::Answer(200, vec![FRESH, ("vary", "*")], "x");
        let site = Site::new((0..2).map(vary).collect());
        for _ in 0..2 {
            assert_eq!(
                site.get("/").await.1,
                "fwd=uri-miss; fwd-status=200; detail=vary"
            );
        }
    });
}

#[test]
fn one_large_answer_does_not_push_out_all_others() {
    // As many slots as leave room for four of the largest answers in each.
    for (max_bytes, max_object_bytes, slots) in [
        (256 << 20, 16 << 20, 4),
        (1 << 30, 1 << 20, 32),
        (1 << 20, 16 << 20, 1),
        (0, 0, 1),
    ] {
        let config = CacheConfig {
            max_bytes,
            max_object_bytes,
            ..CONFIG
        };
        let site = Site::with(config, Script::default());
        assert_eq!(site.cache.slots.len(), slots, "{config:?}");
    }
}

#[test]
fn a_cache_without_room_passes_everything_on() {
    run(async {
        let config = CacheConfig {
            max_bytes: 0,
            ..CONFIG
        };
        let site = Site::with(config, Script::default());
        for _ in 0..2 {
            site.script
                .next
                .borrow_mut()
                .push_back(Next::Answer(200, vec![FRESH], "x"));
            assert_eq!(site.get("/").await.2, "x");
        }
        assert_eq!(site.cache.stats().bytes, 0);
    });
}

#[test]
fn what_came_on_a_connection_is_copied_out_of_its_buffer() {
    let buffer = bytes::Bytes::from(vec![b'x'; 1 << 20]);
    let mut headers = http::HeaderMap::new();
    let value = http::HeaderValue::from_maybe_shared(buffer.slice(..10)).unwrap();
    headers.insert("x-a", value);
    let head = zephyr_cache::Head::new(http::StatusCode::OK, &headers);
    drop(headers);
    assert_eq!(head.headers["x-a"], "xxxxxxxxxx");
    assert!(
        buffer.is_unique(),
        "nothing that is stored holds the buffer"
    );
}
