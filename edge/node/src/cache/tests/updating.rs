//! What other requests than a GET bring into the store, and which variant a 304 is about.

use http::Request;

use super::support::{FRESH, Next, Site, run};

const SHORT: (&str, &str) = ("cache-control", "max-age=5");

#[test]
fn a_head_brings_a_stored_answer_up_to_date() {
    run(async {
        let site = Site::new(vec![
            Next::Answer(200, vec![SHORT, ("x-old", "1"), ("etag", "\"a\"")], "one"),
            Next::Answer(200, vec![FRESH, ("x-new", "2"), ("etag", "\"a\"")], ""),
        ]);
        site.get("/").await;
        site.wait(5);
        let ((status, told, body), headers) = site.ask(Request::head("/")).await;
        assert_eq!((status, body.as_str()), (200, ""));
        assert_eq!(told, "fwd=stale; fwd-status=200; ttl=60; stored");
        assert_eq!(
            (
                &headers["x-old"],
                &headers["x-new"],
                &headers["content-length"]
            ),
            (
                &"1".parse().unwrap(),
                &"2".parse().unwrap(),
                &"3".parse().unwrap()
            )
        );
        assert_eq!(
            site.get("/").await,
            (200, "hit; ttl=60".into(), "one".into())
        );
    });
}

#[test]
fn a_head_about_another_version_ends_the_stored_one() {
    run(async {
        let site = Site::new(vec![
            Next::Answer(200, vec![SHORT, ("etag", "\"a\"")], "one"),
            Next::Answer(200, vec![FRESH, ("etag", "\"b\"")], ""),
            Next::Answer(200, vec![FRESH], "two"),
        ]);
        site.get("/").await;
        site.wait(5);
        let ((_, told, _), headers) = site.ask(Request::head("/")).await;
        assert_eq!(
            (told.as_str(), &headers["etag"]),
            ("fwd=stale; fwd-status=200", &"\"b\"".parse().unwrap())
        );
        assert_eq!(site.get("/").await.2, "two");
    });
}

#[test]
fn an_answer_to_post_that_names_its_url_is_one_to_get() {
    run(async {
        let itself = ("content-location", "/a");
        let site = Site::new(vec![
            Next::Answer(200, vec![FRESH], "old"),
            Next::Answer(200, vec![FRESH, itself], "new"),
            Next::Answer(200, vec![FRESH, ("content-location", "/b")], "other"),
            Next::Answer(200, vec![FRESH], "newer"),
            Next::Answer(200, vec![itself, ("etag", "\"a\"")], "says nothing"),
            Next::Answer(200, vec![FRESH], "newest"),
        ]);
        site.get("/a").await;
        let (seen, _) = site.ask(Request::post("/a")).await;
        assert_eq!(seen.1, "fwd=method; fwd-status=200; ttl=60; stored");
        assert_eq!(
            site.get("/a").await,
            (200, "hit; ttl=60".into(), "new".into())
        );
        for expected in ["newer", "newest"] {
            let (seen, _) = site.ask(Request::post("/a")).await;
            assert_eq!(seen.1, "fwd=method; fwd-status=200");
            assert_eq!(site.get("/a").await.2, expected);
        }
    });
}

#[test]
fn a_304_names_one_of_several_variants() {
    run(async {
        let vary = |tag, body| {
            let fields = vec![FRESH, ("vary", "x-a"), ("etag", tag)];
            Next::Answer(200, fields, body)
        };
        let site = Site::new(vec![
            vary("\"1\"", "one"),
            vary("\"2\"", "two"),
            Next::Answer(304, vec![FRESH, ("vary", "x-a"), ("etag", "\"1\"")], ""),
            Next::Answer(304, vec![("etag", "\"9\"")], ""),
            vary("\"9\"", "nine"),
        ]);
        let ask =
            async |value: &'static str| site.ask(Request::get("/").header("x-a", value)).await.0;
        ask("1").await;
        ask("2").await;
        let seen = ask("3").await;
        assert_eq!(
            seen,
            (
                200,
                "fwd=vary-miss; fwd-status=304; ttl=60; stored".into(),
                "one".into()
            )
        );
        assert_eq!(
            site.script.seen.borrow()[2]["if-none-match"],
            "\"2\", \"1\""
        );
        for (value, expected) in [("1", "one"), ("2", "two"), ("3", "one")] {
            let seen = ask(value).await;
            assert_eq!(
                (seen.1.as_str(), seen.2.as_str()),
                ("hit; ttl=60", expected)
            );
        }
        assert_eq!(ask("4").await.2, "nine", "a tag that nothing stored has");
        assert!(!site.script.seen.borrow()[4].contains_key("if-none-match"));
    });
}

#[test]
fn fields_that_are_named_are_not_stored() {
    run(async {
        let control = (
            "cache-control",
            "max-age=60, no-cache=\"set-cookie, x-a\", private=x-b",
        );
        let fields = vec![
            control,
            ("set-cookie", "a=b"),
            ("x-a", "1"),
            ("x-b", "2"),
            ("x-c", "3"),
            ("etag", "\"a\""),
        ];
        let next = vec![control, ("set-cookie", "c=d"), ("x-c", "4")];
        let site = Site::new(vec![
            Next::Answer(200, fields, "one"),
            Next::Answer(304, next, ""),
        ]);
        let (_, first) = site.ask(Request::get("/")).await;
        assert!(
            first.contains_key("set-cookie"),
            "the first client gets all"
        );
        let (seen, later) = site.ask(Request::get("/")).await;
        assert_eq!(seen.1, "hit; ttl=60");
        for name in ["set-cookie", "x-a", "x-b"] {
            assert!(!later.contains_key(name), "{name}");
        }
        assert_eq!(later["x-c"], "3");
        site.wait(60);
        let (_, asked) = site.ask(Request::get("/")).await;
        assert_eq!(
            (&asked["set-cookie"], &asked["x-c"]),
            (&"c=d".parse().unwrap(), &"4".parse().unwrap())
        );
        let (_, later) = site.ask(Request::get("/")).await;
        assert!(!later.contains_key("set-cookie"));
    });
}
