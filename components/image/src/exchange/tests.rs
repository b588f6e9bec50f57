//! Whole exchanges, the origin's answers given.

use super::*;
use crate::format::Format;
use crate::testing::{jpeg, photo, png_header};

const PLAIN: Request<'_> = Request {
    method: "GET",
    path: "/media/cat.jpg",
    query: None,
    accept: None,
    if_none_match: None,
    request_id: "r1",
};

fn head() -> Head {
    Head {
        status: 200,
        etag: Some("\"v1\"".into()),
        cache_control: Some("public, max-age=31536000, immutable".into()),
        last_modified: Some("Tue, 24 Nov 2026 08:00:00 GMT".into()),
        ..Head::default()
    }
}

fn answer(request: Request<'_>) -> Reply {
    let body = jpeg(&photo(60, 40));
    let exchange = match Exchange::begin(&request) {
        Ok(exchange) => exchange,
        Err(reply) => return reply,
    };
    match exchange.on_head(&head()) {
        Ok(()) => exchange.finish(&head(), body),
        Err(reply) => reply,
    }
}

fn detail(reply: &Reply) -> String {
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let body = String::from_utf8(reply.body.clone()).unwrap();
    assert!(body.contains("\"request_id\":\"r1\""), "{body}");
    body
}

#[test]
fn an_image_leaves_with_all_that_a_cache_needs() {
    let reply = answer(Request {
        query: Some("w=30&format=webp"),
        ..PLAIN
    });
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("image/webp"));
    assert_eq!(Format::sniff(&reply.body), Some(Format::WebP));
    assert_eq!(
        reply.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    assert_eq!(reply.header("surrogate-key"), Some("image-cat.jpg"));
    assert_eq!(
        reply.header("last-modified"),
        Some("Tue, 24 Nov 2026 08:00:00 GMT")
    );
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        reply.header("vary"),
        None,
        "a format that is named does not vary"
    );
}

#[test]
fn negotiation_varies_by_accept() {
    let chosen = |accept| {
        let reply = answer(Request {
            query: Some("w=30"),
            accept,
            ..PLAIN
        });
        assert_eq!(reply.header("vary"), Some("accept"));
        reply.header("content-type").map(str::to_owned)
    };
    assert_eq!(
        chosen(Some("image/webp,*/*;q=0.8")).as_deref(),
        Some("image/webp")
    );
    assert_eq!(chosen(None).as_deref(), Some("image/jpeg"));
    let none = answer(Request {
        accept: Some("text/html"),
        ..PLAIN
    });
    assert_eq!((none.status, none.header("vary")), (406, Some("accept")));
    assert!(detail(&none).contains("Accept"));
    let named = answer(Request {
        accept: Some("text/html"),
        query: Some("format=png"),
        ..PLAIN
    });
    assert_eq!(named.status, 200, "what is named is given");
}

#[test]
fn a_known_tag_is_answered_without_the_body() {
    let first = answer(Request {
        query: Some("w=30"),
        ..PLAIN
    });
    let tag = first.header("etag").unwrap();
    let request = Request {
        query: Some("w=30"),
        if_none_match: Some(tag),
        ..PLAIN
    };
    let exchange = Exchange::begin(&request).unwrap();
    let reply = exchange.on_head(&head()).unwrap_err();
    assert_eq!((reply.status, reply.body.len()), (304, 0));
    for name in [
        "etag",
        "cache-control",
        "vary",
        "surrogate-key",
        "last-modified",
    ] {
        assert_eq!(reply.header(name), first.header(name), "{name}");
    }
    let other = Request {
        query: Some("w=31"),
        if_none_match: Some(tag),
        ..PLAIN
    };
    assert!(Exchange::begin(&other).unwrap().on_head(&head()).is_ok());
    let changed = Head {
        etag: Some("\"v2\"".into()),
        ..head()
    };
    assert!(exchange.on_head(&changed).is_ok());
}

#[test]
fn a_source_without_a_tag_gets_one_of_its_bytes() {
    let untagged = Head {
        etag: None,
        ..head()
    };
    let body = jpeg(&photo(60, 40));
    let exchange = Exchange::begin(&PLAIN).unwrap();
    let first = exchange.finish(&untagged, body.clone());
    let tag = first.header("etag").unwrap();
    let again = Exchange::begin(&Request {
        if_none_match: Some(tag),
        ..PLAIN
    })
    .unwrap();
    assert!(again.on_head(&untagged).is_ok());
    assert_eq!(again.finish(&untagged, body).status, 304);
    assert_eq!(again.finish(&untagged, jpeg(&photo(61, 40))).status, 200);
}

#[test]
fn other_methods_are_told_which_are_allowed() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get"] {
        let reply = answer(Request { method, ..PLAIN });
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, Some("GET, HEAD"))
        );
        detail(&reply);
    }
    assert_eq!(
        answer(Request {
            method: "HEAD",
            ..PLAIN
        })
        .status,
        200
    );
}

#[test]
fn a_wrong_parameter_is_named() {
    for (query, name) in [
        ("w=0", "`w`"),
        ("size=3", "`size`"),
        ("crop=50,0,20,10", "`crop`"),
    ] {
        let reply = answer(Request {
            query: Some(query),
            ..PLAIN
        });
        assert_eq!(reply.status, 400);
        assert!(detail(&reply).contains(name), "{query}");
    }
}

#[test]
fn a_path_that_names_no_image_is_not_asked_for() {
    let long = format!("/media/{}", "a".repeat(MAX_NAME_BYTES + 1));
    for path in [
        "/media/",
        "/media/a/b",
        "/media/..",
        "/media/.env",
        "/media/a%2Fb",
        "/other/a",
        &long,
    ] {
        let reply = answer(Request { path, ..PLAIN });
        assert_eq!(reply.status, 404, "{path}");
        detail(&reply);
    }
    let request = Request {
        path: "/media/0192_a-b.c.webp",
        ..PLAIN
    };
    assert_eq!(
        Exchange::begin(&request).unwrap().source_path(),
        "/media/0192_a-b.c.webp"
    );
}

#[test]
fn the_origins_failures_are_passed_on_as_what_they_are() {
    let exchange = Exchange::begin(&PLAIN).unwrap();
    let status = |status| {
        let reply = exchange
            .on_head(&Head {
                status,
                ..Head::default()
            })
            .unwrap_err();
        detail(&reply);
        reply.status
    };
    assert_eq!([404, 410].map(status), [404, 404]);
    assert_eq!([500, 503, 403, 301, 206, 204].map(status), [502; 6]);
    assert_eq!(exchange.unreachable().status, 502);
    let large = Head {
        content_length: Some(10 * 1024 * 1024 + 1),
        ..head()
    };
    assert_eq!(exchange.on_head(&large).unwrap_err().status, 502);
    for body in [
        b"hello".to_vec(),
        png_header(100_000, 100_000, 6),
        jpeg(&photo(60, 40))[..300].to_vec(),
    ] {
        let reply = exchange.finish(&head(), body);
        assert_eq!(reply.status, 502);
        assert!(detail(&reply).contains("the origin's image cannot be used"));
    }
}

#[test]
fn the_sources_own_surrogate_keys_are_kept() {
    let tagged = Head {
        surrogate_key: Some("listing-7 listings".into()),
        ..head()
    };
    let exchange = Exchange::begin(&PLAIN).unwrap();
    let reply = exchange.finish(&tagged, jpeg(&photo(60, 40)));
    assert_eq!(
        reply.header("surrogate-key"),
        Some("image-cat.jpg listing-7 listings")
    );
}
