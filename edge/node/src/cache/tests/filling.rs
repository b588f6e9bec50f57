//! Bodies on their way into the store.

use std::rc::Rc;

use http::Request;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::support::{FRESH, Next, Site, chunks, read, run, settle};

#[test]
fn a_miss_streams_while_it_is_collected() {
    run(async {
        let (sender, next) = chunks(vec![FRESH]);
        let site = Site::new(vec![next]);
        let (_, mut body) = site.begin(Request::get("/")).await.unwrap();
        sender.send(Ok("on".into())).unwrap();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "on", "before the rest is there");
        assert!(!body.is_end_stream());
        sender.send(Ok("e".into())).unwrap();
        drop(sender);
        assert_eq!(read(body).await, "e");
        assert_eq!(
            site.get("/").await,
            (200, "hit; ttl=60".into(), "one".into())
        );
    });
}

#[test]
fn a_thousand_cold_requests_are_one_trip_that_streams_to_all() {
    run(async {
        let (sender, next) = chunks(vec![FRESH]);
        let site = Rc::new(Site::new(vec![next]));
        let (_, mut first) = site.begin(Request::get("/")).await.unwrap();
        sender.send(Ok("on".into())).unwrap();
        let mut bodies = Vec::new();
        for _ in 0..1000 {
            let (parts, mut body) = site.begin(Request::get("/")).await.unwrap();
            assert!(
                parts.headers["cache-status"]
                    .to_str()
                    .unwrap()
                    .contains("collapsed")
            );
            let chunk = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(chunk, "on", "before the rest is there");
            bodies.push(body);
        }
        assert_eq!(
            first.frame().await.unwrap().unwrap().into_data().unwrap(),
            "on"
        );
        sender.send(Ok("e".into())).unwrap();
        drop(sender);
        for body in bodies {
            assert_eq!(read(body).await, "e");
        }
        assert_eq!(site.script.seen.borrow().len(), 1);
        assert_eq!(site.get("/").await.2, "one");
    });
}

#[test]
fn who_follows_what_breaks_off_is_told_so() {
    run(async {
        let (sender, next) = chunks(vec![FRESH, ("content-length", "9")]);
        let site = Rc::new(Site::new(vec![next]));
        let (_, body) = site.begin(Request::get("/")).await.unwrap();
        let (_, follows) = site.begin(Request::get("/")).await.unwrap();
        sender.send(Ok("hal".into())).unwrap();
        sender.send(Err("reset".into())).unwrap();
        assert_eq!(read(body).await, "broken");
        assert_eq!(read(follows).await, "broken");
    });
}

#[test]
fn what_breaks_off_is_not_stored() {
    run(async {
        let (late, second) = chunks(vec![FRESH]);
        let (at_once, first) = chunks(vec![FRESH]);
        let site = Site::new(vec![first, second, Next::Answer(200, vec![FRESH], "whole")]);
        at_once.send(Ok("hal".into())).unwrap();
        at_once.send(Err("reset".into())).unwrap();
        assert_eq!(site.get("/").await.2, "broken");
        let (_, body) = site.begin(Request::get("/")).await.unwrap();
        late.send(Ok("hal".into())).unwrap();
        settle().await;
        late.send(Err("reset".into())).unwrap();
        assert_eq!(read(body).await, "broken");
        assert_eq!(site.get("/").await.2, "whole");
        assert_eq!(site.get("/").await.1, "hit; ttl=60");
    });
}

#[test]
fn fewer_bytes_than_promised_are_not_the_answer() {
    run(async {
        let site = Site::new(vec![
            Next::Answer(200, vec![FRESH, ("content-length", "9")], "short"),
            Next::Answer(200, vec![FRESH, ("content-length", "5")], "whole"),
        ]);
        assert_eq!(site.get("/").await.2, "short");
        assert_eq!(site.get("/").await.2, "whole");
        assert_eq!(site.get("/").await.1, "hit; ttl=60");
    });
}

#[test]
fn what_is_too_large_streams_and_is_not_stored() {
    run(async {
        let large: &'static str = Box::leak("x".repeat(100 << 10).into_boxed_str());
        let (sender, next) = chunks(vec![FRESH]);
        let site = Rc::new(Site::new(vec![
            Next::Answer(200, vec![FRESH], large),
            Next::Answer(200, vec![FRESH, ("content-length", "999999999")], "x"),
            next,
            Next::Answer(200, vec![FRESH], "small"),
        ]));
        let too_large = "fwd=uri-miss; fwd-status=200; detail=too-large";
        assert_eq!(site.get("/known").await.1, too_large);
        assert_eq!(site.get("/told").await.1, too_large);
        // Only found out on the way: who waits follows, who comes later goes alone.
        let (_, body) = site.begin(Request::get("/")).await.unwrap();
        let waits = site.spawn_get("/");
        settle().await;
        for _ in 0..10 {
            sender.send(Ok(large[..10 << 10].into())).unwrap();
        }
        drop(sender);
        assert_eq!(read(body).await.len(), 100 << 10);
        assert_eq!(waits.await.unwrap().2.len(), 100 << 10);
        assert_eq!(site.get("/").await.2, "small");
        assert_eq!(
            site.cache.filling.load(std::sync::atomic::Ordering::SeqCst),
            0
        );
    });
}

#[test]
fn a_client_that_leaves_takes_nothing_along() {
    run(async {
        let (sender, next) = chunks(vec![FRESH]);
        let site = Site::new(vec![next]);
        let (_, body) = site.begin(Request::get("/")).await.unwrap();
        drop(body);
        sender.send(Ok("one".into())).unwrap();
        drop(sender);
        settle().await;
        assert_eq!(
            site.get("/").await,
            (200, "hit; ttl=60".into(), "one".into())
        );
    });
}

#[test]
fn an_upstream_that_nobody_reads_is_let_go() {
    run(async {
        let (sender, next) = chunks(vec![FRESH]);
        let site = Site::new(vec![next]);
        let (_, body) = site.begin(Request::get("/")).await.unwrap();
        for _ in 0..10 {
            sender.send(Ok(vec![b'x'; 10 << 10].into())).unwrap();
        }
        settle().await;
        drop(body);
        settle().await;
        assert!(
            sender.is_closed(),
            "too large for the store, and the client has left"
        );
    });
}

#[test]
fn the_clients_length_is_known_when_the_upstreams_is() {
    run(async {
        let (sender, next) = chunks(vec![FRESH]);
        let site = Site::new(vec![next, Next::Answer(200, vec![FRESH], "full")]);
        let (_, body) = site.begin(Request::get("/")).await.unwrap();
        assert_eq!(body.size_hint().exact(), None);
        drop((sender, body));
        let (_, body) = site.begin(Request::get("/full")).await.unwrap();
        assert_eq!(body.size_hint().exact(), Some(4));
    });
}

#[test]
fn all_bodies_on_their_way_are_bounded_together() {
    run(async {
        let site = Site::new(vec![]);
        // A quarter of 8 MiB is 2 MiB: 32 answers of 60 KiB and a few more.
        let mut open = Vec::new();
        for number in 0..40 {
            let (sender, next) = chunks(vec![FRESH]);
            site.script.next.borrow_mut().push_back(next);
            let (_, body) = site
                .begin(Request::get(format!("/{number}")))
                .await
                .unwrap();
            sender.send(Ok(vec![b'x'; 60 << 10].into())).unwrap();
            open.push((sender, body));
            settle().await;
        }
        let filling = site.cache.filling.load(std::sync::atomic::Ordering::SeqCst);
        assert!(filling <= 2 << 20, "{filling}");
        assert!(
            filling > (2 << 20) - (60 << 10),
            "one more would have fitted: {filling}"
        );
        for (sender, body) in open {
            drop(sender);
            assert_eq!(
                read(body).await.len(),
                60 << 10,
                "they are passed on all the same"
            );
        }
        // How many a shard has room for depends on the keys' hashes.
        let entries = site.cache.stats().entries;
        assert!((1..=34).contains(&entries), "{entries}");
        assert_eq!(
            site.cache.filling.load(std::sync::atomic::Ordering::SeqCst),
            0
        );
    });
}

#[test]
fn empty_chunks_cost_nothing_and_hang_nobody() {
    run(async {
        let (sender, next) = chunks(vec![FRESH]);
        for _ in 0..100_000 {
            sender.send(Ok(bytes::Bytes::new())).unwrap();
        }
        let site = Site::new(vec![next]);
        let (_, body) = site.begin(Request::get("/")).await.unwrap();
        sender.send(Ok("one".into())).unwrap();
        drop(sender);
        assert_eq!(read(body).await, "one");
    });
}
