//! Parts of answers: stored, given, and put together (RFC 9111, sections 3.3 and 3.4).

use http::Request;

use super::support::{FRESH, Fields, Next, Site, run};

fn part(range: &'static str, body: &'static str) -> Next {
    let fields: Fields = vec![FRESH, ("etag", "\"a\""), ("content-range", range)];
    Next::Answer(206, fields, body)
}

fn asks(range: &str) -> http::request::Builder {
    Request::get("/").header("range", range)
}

#[test]
fn a_part_is_stored_and_serves_what_lies_within() {
    run(async {
        let site = Site::new(vec![
            part("bytes 2-6/10", "23456"),
            part("bytes 8-9/10", "89"),
        ]);
        let (seen, _) = site.ask(asks("bytes=2-6")).await;
        assert_eq!(
            seen,
            (
                206,
                "fwd=uri-miss; fwd-status=206; ttl=60; stored".into(),
                "23456".into()
            )
        );
        let ((status, told, body), headers) = site.ask(asks("bytes=3-4")).await;
        assert_eq!(
            (status, told.as_str(), body.as_str()),
            (206, "hit; ttl=60", "34")
        );
        assert_eq!(
            (&headers["content-range"], &headers["content-length"]),
            (&"bytes 3-4/10".parse().unwrap(), &"2".parse().unwrap())
        );
        // A gap lies between: both are kept.
        let (seen, _) = site.ask(asks("bytes=-2")).await;
        assert_eq!(seen.1, "fwd=partial; fwd-status=206; ttl=60; stored");
        for (range, expected) in [("bytes=2-2", "2"), ("bytes=9-", "9"), ("bytes=-1", "9")] {
            let (seen, _) = site.ask(asks(range)).await;
            assert_eq!(
                (seen.1.as_str(), seen.2.as_str()),
                ("hit; ttl=60", expected)
            );
        }
        assert_eq!(site.trips(), 2);
    });
}

#[test]
fn only_what_lacks_is_fetched_and_the_whole_is_stored() {
    run(async {
        let site = Site::new(vec![
            part("bytes 0-4/10", "01234"),
            part("bytes 5-9/10", "56789"),
        ]);
        site.ask(asks("bytes=0-4")).await;
        let ((status, told, body), headers) = site.ask(Request::get("/")).await;
        assert_eq!((status, body.as_str()), (200, "0123456789"));
        assert_eq!(told, "fwd=partial; fwd-status=206; ttl=60; stored");
        assert_eq!(headers["content-length"], "10");
        assert!(!headers.contains_key("content-range"));
        let seen = site.script.seen.borrow()[1].clone();
        assert_eq!(
            (&seen["range"], &seen["if-range"]),
            (&"bytes=5-".parse().unwrap(), &"\"a\"".parse().unwrap())
        );
        assert_eq!(
            site.get("/").await,
            (200, "hit; ttl=60".into(), "0123456789".into())
        );
        assert_eq!(site.ask(asks("bytes=4-5")).await.0.2, "45");
    });
}

#[test]
fn a_range_that_begins_in_a_part_fetches_its_end() {
    run(async {
        let site = Site::new(vec![
            part("bytes 0-4/10", "01234"),
            part("bytes 5-7/10", "567"),
        ]);
        site.ask(asks("bytes=0-4")).await;
        let ((status, _, body), headers) = site.ask(asks("bytes=3-7")).await;
        assert_eq!((status, body.as_str()), (206, "34567"));
        assert_eq!(headers["content-range"], "bytes 3-7/10");
        assert_eq!(site.script.seen.borrow()[1]["range"], "bytes=5-7");
        assert_eq!(site.ask(asks("bytes=0-7")).await.0.1, "hit; ttl=60");
    });
}

#[test]
fn a_new_version_takes_the_place_of_a_part() {
    run(async {
        let site = Site::new(vec![
            part("bytes 0-4/10", "01234"),
            Next::Answer(200, vec![FRESH, ("etag", "\"b\"")], "new"),
        ]);
        site.ask(asks("bytes=0-4")).await;
        assert_eq!(site.get("/").await.2, "new");
        assert_eq!(site.ask(asks("bytes=0-0")).await.0.2, "n");
    });
}

#[test]
fn parts_of_different_versions_are_not_put_together() {
    run(async {
        let other = vec![FRESH, ("etag", "\"b\""), ("content-range", "bytes 5-9/10")];
        let site = Site::new(vec![
            part("bytes 0-4/10", "01234"),
            Next::Answer(206, other, "FGHIJ"),
            Next::Answer(200, vec![FRESH, ("etag", "\"b\"")], "ABCDEFGHIJ"),
        ]);
        site.ask(asks("bytes=0-4")).await;
        assert_eq!(site.get("/").await.2, "ABCDEFGHIJ");
        assert!(!site.script.seen.borrow()[2].contains_key("range"));
    });
}

#[test]
fn a_part_that_is_shorter_than_it_says_is_not_stored() {
    run(async {
        let site = Site::new(vec![
            part("bytes 0-4/10", "012"),
            part("bytes 0-4/10", "01234"),
        ]);
        site.ask(asks("bytes=0-4")).await;
        assert_eq!(site.ask(asks("bytes=0-4")).await.0.2, "01234");
        assert_eq!(site.trips(), 2);
    });
}

#[test]
fn a_stale_part_is_asked_about_as_a_part() {
    run(async {
        let site = Site::new(vec![
            part("bytes 0-4/10", "01234"),
            Next::Answer(304, vec![FRESH, ("etag", "\"a\"")], ""),
        ]);
        site.ask(asks("bytes=0-4")).await;
        site.wait(60);
        let ((status, told, body), headers) = site.ask(asks("bytes=1-2")).await;
        assert_eq!((status, body.as_str()), (206, "12"));
        assert_eq!(told, "fwd=stale; fwd-status=304; ttl=60; stored");
        assert_eq!(headers["content-range"], "bytes 1-2/10");
        assert_eq!(site.ask(asks("bytes=0-4")).await.0.1, "hit; ttl=60");
    });
}
