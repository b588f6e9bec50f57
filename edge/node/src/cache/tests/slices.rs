//! Answers that are too large to be one piece, in slices of 16 KiB.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;

use super::support::{CONFIG, FRESH, Next, Script, Site, Whole, chunks, run, settle};
use crate::cache::{CacheConfig, Purge};

const SLICE: usize = 16 << 10;
/// Ten slices, the last of which is short.
const LENGTH: usize = 9 * SLICE + 100;

fn site(tag: &'static str) -> Site {
    with(CONFIG, Whole::new(tag, LENGTH))
}

fn with(config: CacheConfig, whole: Whole) -> Site {
    let script = Script::default();
    *script.whole.borrow_mut() = Some(whole);
    Site::with(config, script)
}

fn asks(range: impl AsRef<str>) -> http::request::Builder {
    Request::get("/").header("range", range.as_ref())
}

/// A range from a slice on, of so many slices.
fn of(slice: usize, count: usize) -> String {
    let first = slice * SLICE;
    format!("bytes={first}-{}", first + count * SLICE - 1)
}

fn text(site: &Site, from: usize, to: usize) -> String {
    let whole = site.script.whole.borrow();
    let bytes = &whole.as_ref().unwrap().bytes[from..to];
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The ranges that the upstream was asked for.
fn ranges(site: &Site) -> Vec<String> {
    let seen = site.script.seen.borrow();
    let range = |headers: &HeaderMap| {
        let range = headers.get("range");
        range.map_or(String::new(), |range| range.to_str().unwrap().to_owned())
    };
    seen.iter().map(range).collect()
}

fn replace(site: &Site, tag: &'static str) {
    *site.script.whole.borrow_mut() = Some(Whole::new(tag, LENGTH));
}

const PARTIAL: &str = "fwd=partial; fwd-status=206; ttl=60; stored";

#[test]
fn what_passes_is_stored_by_slices() {
    run(async {
        let site = site("\"a\"");
        let ((status, told, body), headers) = site.ask(asks(of(1, 2))).await;
        assert_eq!((status, body), (206, text(&site, SLICE, 3 * SLICE)));
        assert_eq!(told, "fwd=uri-miss; fwd-status=206; ttl=60; stored");
        assert_eq!(headers["content-length"], "32768");
        for (range, from, to) in [
            (of(1, 2), SLICE, 3 * SLICE),
            (of(2, 1), 2 * SLICE, 3 * SLICE),
            ("bytes=30000-40000".into(), 30_000, 40_001),
        ] {
            let ((status, told, body), headers) = site.ask(asks(&range)).await;
            assert_eq!((status, told.as_str()), (206, "hit; ttl=60"), "{range}");
            assert!(body == text(&site, from, to), "{range}");
            assert_eq!(
                headers["content-range"],
                format!("bytes {from}-{}/{LENGTH}", to - 1)
            );
            assert_eq!(headers["content-length"], (to - from).to_string());
        }
        assert_eq!(site.trips(), 1);
    });
}

#[test]
fn a_range_that_is_smaller_than_a_slice_is_stored_as_it_is() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks("bytes=20000-20099")).await;
        let seen = site.ask(asks("bytes=20010-20019")).await.0;
        assert_eq!(
            seen,
            (206, "hit; ttl=60".into(), text(&site, 20_010, 20_020))
        );
        // What is beside it comes with the whole of its slice.
        let seen = site.ask(asks("bytes=20000-20100")).await.0;
        assert_eq!(seen, (206, PARTIAL.into(), text(&site, 20_000, 20_101)));
        assert_eq!(ranges(&site), ["bytes=20000-20099".to_owned(), of(1, 1)]);
        assert_eq!(site.ask(asks(of(1, 1))).await.0.1, "hit; ttl=60");
    });
}

#[test]
fn only_what_lacks_is_fetched_in_runs() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks(of(0, 1))).await;
        site.ask(asks(of(3, 2))).await;
        site.ask(asks(of(6, 1))).await;
        let ((status, told, body), headers) = site.ask(Request::get("/")).await;
        assert_eq!(
            (status, told.as_str()),
            (200, "fwd=partial; ttl=60; stored")
        );
        assert!(body == text(&site, 0, LENGTH));
        assert_eq!(headers["content-length"], LENGTH.to_string());
        assert!(!headers.contains_key("content-range"));
        let last = format!("bytes={}-{}", 7 * SLICE, LENGTH - 1);
        // The second and the third were stored when the head was not there, or were lacking alone.
        let expected = [of(0, 1), of(3, 2), of(6, 1), of(1, 2), of(5, 1), last];
        assert_eq!(ranges(&site), expected);
        let sent = site.script.seen.borrow()[3].clone();
        assert_eq!(sent["if-match"], "\"a\"");
        assert_eq!(site.ask(Request::get("/")).await.0.1, "hit; ttl=60");
        assert_eq!(
            site.ask(asks("bytes=-1")).await.0.2,
            text(&site, LENGTH - 1, LENGTH)
        );
        assert_eq!(site.trips(), 6);
    });
}

#[test]
fn a_whole_answer_leaves_slices_for_all_later_ones() {
    run(async {
        let site = site("\"a\"");
        let seen = site.get("/").await;
        assert_eq!(seen.1, "fwd=uri-miss; fwd-status=200; ttl=60; stored");
        assert!(seen.2 == text(&site, 0, LENGTH));
        let again = site.get("/").await;
        assert_eq!((again.0, again.1.as_str()), (200, "hit; ttl=60"));
        assert!(again.2 == seen.2);
        let end = site.ask(asks("bytes=-150")).await.0;
        assert_eq!(
            end,
            (206, "hit; ttl=60".into(), text(&site, LENGTH - 150, LENGTH))
        );
        assert_eq!(site.trips(), 1);
        assert_eq!(site.cache.filling.load(Relaxed), 0);
    });
}

#[test]
fn conditions_and_odd_ranges_need_no_slice() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks("bytes=0-0")).await;
        let status = async |request| {
            let (seen, headers) = site.ask(request).await;
            assert_eq!(seen.1, "hit; ttl=60");
            (seen.0, headers)
        };
        let none = Request::get("/").header("if-none-match", "\"a\"");
        assert_eq!(status(none).await.0, 304);
        let none = asks("bytes=5-9").header("if-none-match", "W/\"a\"");
        assert_eq!(status(none).await.0, 304);
        let (code, headers) = status(Request::head("/")).await;
        assert_eq!(
            (code, &headers["content-length"]),
            (200, &LENGTH.to_string().parse().unwrap())
        );
        let (code, headers) = status(asks(format!("bytes={LENGTH}-"))).await;
        assert_eq!(
            (code, &headers["content-range"]),
            (416, &format!("bytes */{LENGTH}").parse().unwrap())
        );
        assert_eq!(site.trips(), 1);
        // Several ranges get the whole, and so does one of another version.
        let several = site.ask(asks("bytes=0-1,5-6")).await.0;
        assert!(several.0 == 200 && several.2 == text(&site, 0, LENGTH));
        let other = site
            .ask(asks("bytes=0-1").header("if-range", "\"b\""))
            .await
            .0;
        assert!(other.0 == 200 && other.2 == text(&site, 0, LENGTH));
        let same = site
            .ask(asks("bytes=0-1").header("if-range", "\"a\""))
            .await
            .0;
        assert_eq!((same.0, same.2), (206, text(&site, 0, 2)));
    });
}

#[test]
fn who_takes_stored_answers_only_gets_no_other() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks(of(0, 1))).await;
        let only = |range: String| asks(range).header("cache-control", "only-if-cached");
        assert_eq!(site.ask(only(of(0, 1))).await.0.0, 206);
        assert_eq!(site.ask(only(of(0, 2))).await.0.0, 504);
        assert_eq!(site.ask(only(of(1, 1))).await.0.0, 504);
        assert_eq!(site.trips(), 1);
    });
}

#[test]
fn another_version_before_anything_was_sent_is_fetched_as_it_was_asked_for() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks(of(0, 1))).await;
        replace(&site, "\"b\"");
        let (seen, headers) = site.ask(asks(of(1, 1))).await;
        assert_eq!((seen.0, &headers["etag"]), (206, &"\"b\"".parse().unwrap()));
        assert!(seen.2 == text(&site, SLICE, 2 * SLICE));
        assert_eq!(seen.1, "fwd=partial; fwd-status=206; ttl=60; stored");
        // The old slice is out of reach.
        let (seen, headers) = site.ask(asks(of(0, 1))).await;
        assert_eq!(
            (&headers["etag"], &seen.2),
            (&"\"b\"".parse().unwrap(), &text(&site, 0, SLICE))
        );
        assert_eq!(site.ask(asks(of(0, 2))).await.0.1, "hit; ttl=60");
    });
}

#[test]
fn another_version_in_the_middle_ends_the_body() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks(of(0, 2))).await;
        let old = text(&site, 0, 2 * SLICE);
        replace(&site, "\"b\"");
        let (parts, mut body) = site.begin(Request::get("/")).await.unwrap();
        assert_eq!(parts.headers["etag"], "\"a\"");
        let mut read = Vec::new();
        let failed = loop {
            match body.frame().await {
                Some(Ok(frame)) => read.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(error)) => break error.to_string(),
                None => panic!("it ended as if it were whole"),
            }
        };
        assert!(read == old.as_bytes(), "nothing of the new version");
        assert!(failed.contains("another version"), "{failed}");
        let seen = site.get("/").await;
        assert!(seen.2 == text(&site, 0, LENGTH), "{}", seen.1);
    });
}

#[test]
fn a_body_of_slices_that_breaks_off_is_not_stored_and_not_whole() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks(of(0, 1))).await;
        let (sender, next) = chunks(vec![FRESH]);
        let Next::Chunks(_, receiver) = next else {
            unreachable!()
        };
        let part = format!("bytes {}-{}/{LENGTH}", SLICE, 3 * SLICE - 1);
        let fields = vec![FRESH, ("etag", "\"a\""), ("content-range", &*part.leak())];
        site.script
            .next
            .borrow_mut()
            .push_back(Next::Part(fields, receiver));
        let (_, mut body) = site.begin(asks(of(1, 2))).await.unwrap();
        let slice = text(&site, SLICE, 2 * SLICE);
        sender.send(Ok(slice.clone().into())).unwrap();
        sender.send(Ok("x".into())).unwrap();
        sender.send(Err("broken".into())).unwrap();
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => read.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => break,
            }
        }
        assert!(read.len() < 2 * SLICE && read.starts_with(slice.as_bytes()));
        assert_eq!(
            site.ask(asks(of(1, 1))).await.0.1,
            "hit; ttl=60",
            "what was whole is stored"
        );
        assert_eq!(site.ask(asks(of(2, 1))).await.0.1, PARTIAL);
        assert_eq!(site.cache.filling.load(Relaxed), 0);
    });
}

#[test]
fn an_upstream_that_fails_leaves_what_is_stored() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks(of(0, 1))).await;
        site.script
            .next
            .borrow_mut()
            .extend([Next::Down, Next::Down]);
        assert_eq!(site.ask(asks(of(1, 1))).await.0.0, 502);
        assert_eq!(site.ask(asks(of(0, 1))).await.0.1, "hit; ttl=60");
        assert_eq!(site.ask(asks(of(1, 1))).await.0.1, PARTIAL);
    });
}

#[test]
fn a_304_makes_head_and_slices_fresh_again() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks(of(0, 2))).await;
        site.wait(60);
        let seen = site.ask(asks(of(1, 1))).await.0;
        assert_eq!(
            seen,
            (
                206,
                "fwd=stale; fwd-status=304; ttl=60; stored".into(),
                text(&site, SLICE, 2 * SLICE)
            )
        );
        assert_eq!(site.ask(asks(of(0, 2))).await.0.1, "hit; ttl=60");
        assert_eq!(site.trips(), 2);
        // What is new is asked for by the same range, not as a whole.
        site.wait(60);
        replace(&site, "\"b\"");
        let seen = site.ask(asks(of(1, 1))).await.0;
        assert_eq!((seen.0, &seen.2), (206, &text(&site, SLICE, 2 * SLICE)));
        assert_eq!(ranges(&site)[2], of(1, 1));
        let seen = site.ask(asks(of(0, 1))).await.0;
        assert_eq!((seen.1.as_str(), seen.2), (PARTIAL, text(&site, 0, SLICE)));
    });
}

#[test]
fn a_new_version_is_whole_for_who_names_the_old_one() {
    run(async {
        let site = site("\"a\"");
        site.ask(asks(of(0, 1))).await;
        site.wait(60);
        replace(&site, "\"b\"");
        let seen = site
            .ask(asks("bytes=9-").header("if-range", "\"a\""))
            .await
            .0;
        assert!(
            seen.0 == 200 && seen.2 == text(&site, 0, LENGTH),
            "{}",
            seen.1
        );
    });
}

#[test]
fn a_stale_answer_stands_in_when_all_of_it_is_stored() {
    run(async {
        let whole = Whole {
            fields: vec![("cache-control", "max-age=60, stale-if-error=600")],
            ..Whole::new("\"a\"", LENGTH)
        };
        let site = with(CONFIG, whole);
        site.ask(asks(of(0, 1))).await;
        site.wait(100);
        site.script
            .next
            .borrow_mut()
            .extend([Next::Down, Next::Down]);
        assert_eq!(site.ask(asks(of(0, 2))).await.0.0, 502);
        let seen = site.ask(asks(of(0, 1))).await.0;
        assert_eq!((seen.0, seen.2), (206, text(&site, 0, SLICE)));
        assert!(seen.1.contains("detail=stale-if-error"), "{}", seen.1);
    });
}

#[test]
fn purges_meet_head_and_slices() {
    run(async {
        let whole = Whole {
            fields: vec![FRESH, ("surrogate-key", "k")],
            ..Whole::new("\"a\"", LENGTH)
        };
        let site = with(CONFIG, whole);
        let purges = [
            Purge::Keys(vec!["k".into()]),
            Purge::Url("http://a.example/".parse().unwrap()),
            Purge::Prefix("http://a.example/".parse().unwrap()),
            Purge::All,
        ];
        for (number, purge) in purges.iter().enumerate() {
            site.ask(asks(of(0, 2))).await;
            assert_eq!(site.ask(asks(of(0, 2))).await.0.1, "hit; ttl=60");
            assert!(site.cache.purge(purge) >= 1);
            let trips = site.trips();
            // The same tag comes again: the old slices are gone all the same.
            let told = site.ask(asks(of(0, 1))).await.0.1;
            assert!(told.starts_with("fwd=uri-miss"), "{number}: {told}");
            assert_eq!(
                site.ask(asks(of(0, 2))).await.0.1,
                "fwd=partial; ttl=60; stored"
            );
            assert_eq!(site.trips(), trips + 2, "{number}");
        }
        site.cache.purge_softly(&purges[1]);
        let told = site.ask(asks(of(0, 2))).await.0.1;
        assert!(told.starts_with("fwd=stale; fwd-status=304"), "{told}");
        assert_eq!(site.ask(asks(of(0, 2))).await.0.1, "hit; ttl=60");
    });
}

#[test]
fn variants_have_slices_of_their_own() {
    run(async {
        let whole = Whole {
            fields: vec![FRESH, ("vary", "x-a")],
            ..Whole::new("\"a\"", LENGTH)
        };
        let site = with(CONFIG, whole);
        let ask = async |value: &str| site.ask(asks(of(0, 1)).header("x-a", value)).await.0.1;
        ask("1").await;
        assert_eq!(ask("1").await, "hit; ttl=60");
        assert!(ask("2").await.starts_with("fwd=vary-miss"));
        assert_eq!(ask("2").await, "hit; ttl=60");
        assert_eq!(site.trips(), 2);
    });
}

#[test]
fn without_a_strong_tag_nothing_is_sliced() {
    run(async {
        let site = site("W/\"a\"");
        assert!(site.get("/").await.1.ends_with("detail=too-large"));
        site.ask(asks(of(0, 1))).await;
        assert_eq!(
            site.ask(asks(of(0, 1))).await.0.1,
            "hit; ttl=60",
            "as a part"
        );
        assert!(site.get("/").await.2 == text(&site, 0, LENGTH));
    });
}

#[test]
fn what_a_server_without_ranges_gives_passes() {
    run(async {
        let site = Site::new(vec![Next::Answer(
            200,
            vec![FRESH, ("etag", "\"a\""), ("content-length", "147556")],
            "cut off",
        )]);
        assert!(site.get("/").await.1.ends_with("detail=too-large"));
    });
}

#[test]
fn slices_can_be_turned_off() {
    run(async {
        let config = CacheConfig {
            slice_bytes: 0,
            ..CONFIG
        };
        let site = with(config, Whole::new("\"a\"", LENGTH));
        assert!(site.get("/").await.1.ends_with("detail=too-large"));
    });
}

#[test]
fn many_who_want_the_same_slice_cost_one_trip() {
    run(async {
        let script = Script {
            gate: Some(Semaphore::new(1)),
            ..Script::default()
        };
        *script.whole.borrow_mut() = Some(Whole::new("\"a\"", LENGTH));
        let site = Rc::new(Site::with(CONFIG, script));
        site.ask(asks("bytes=0-0")).await;
        let all: Vec<_> = (0..100)
            .map(|_| {
                let site = Rc::clone(&site);
                tokio::task::spawn_local(async move { site.ask(asks(of(1, 5))).await.0 })
            })
            .collect();
        settle().await;
        site.open(1);
        let mut collapsed = 0;
        for one in all {
            let seen = one.await.unwrap();
            assert!(seen.0 == 206 && seen.2 == text(&site, SLICE, 6 * SLICE));
            collapsed += usize::from(seen.1.contains("collapsed"));
        }
        assert_eq!(ranges(&site)[1..], [of(1, 5)]);
        assert_eq!(collapsed, 99);
    });
}

#[test]
fn who_leaves_stops_the_upstream_and_keeps_what_came() {
    run(async {
        let site = site("\"a\"");
        let (sender, next) = chunks(vec![FRESH]);
        let Next::Chunks(_, receiver) = next else {
            unreachable!()
        };
        let fields = vec![
            FRESH,
            ("etag", "\"a\""),
            ("content-length", "147556"),
            ("accept-ranges", "bytes"),
        ];
        site.script
            .next
            .borrow_mut()
            .push_back(Next::Chunks(fields, receiver));
        let (_, mut body) = site.begin(Request::get("/")).await.unwrap();
        for slice in 0..2 {
            let text = text(&site, slice * SLICE, (slice + 1) * SLICE);
            sender.send(Ok(text.into())).unwrap();
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        settle().await;
        assert!(sender.is_closed());
        assert_eq!(site.ask(asks(of(0, 2))).await.0.1, "hit; ttl=60");
        assert_eq!(site.cache.filling.load(Relaxed), 0);
    });
}

#[test]
fn bodies_on_their_way_are_bounded_and_who_finds_no_room_passes() {
    run(async {
        let config = CacheConfig {
            max_bytes: 1 << 20,
            ..CONFIG
        };
        let site = with(config, Whole::new("\"a\"", LENGTH));
        site.ask(asks("bytes=0-0")).await;
        let bound = (config.max_bytes / 4) as usize;
        let mut unread = Vec::new();
        // Each takes another slice first, so that nobody follows.
        for _ in 0..4 {
            for slice in 0..10 {
                unread.push(
                    site.begin(asks(format!("bytes={}-", slice * SLICE)))
                        .await
                        .unwrap(),
                );
                assert!(site.cache.filling.load(Relaxed) <= bound);
            }
            site.cache.purge(&Purge::All);
            site.ask(asks("bytes=0-0")).await;
        }
        for (number, (_, body)) in unread.into_iter().enumerate() {
            let read = body.collect().await.unwrap().to_bytes();
            assert!(read == text(&site, number % 10 * SLICE, LENGTH), "{number}");
        }
        settle().await;
        assert_eq!(site.cache.filling.load(Relaxed), 0);
    });
}
