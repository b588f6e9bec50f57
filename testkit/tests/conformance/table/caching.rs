//! What is stored, and what stored answers are given to (RFC 9111).

use crate::case::{Case, Host, case, get, ok, send, status};
use crate::upstream::Up;

pub(crate) fn cases() -> Vec<Case> {
    let page = || get("/open/@");
    let part = |body, range| {
        let part = Up::new(206, body).cc("max-age=60").with("etag", "\"a\"");
        part.with("content-range", range)
    };
    vec![
        case(
            "a fresh answer is a hit",
            [
                page().up(ok("one").cc("max-age=60")).body("one").miss().lacks("age"),
                page().hit().body("one").carries("age").cache("ttl="),
                page().hit(),
            ],
        ),
        case(
            "an answer without a lifetime is asked for again",
            [
                page().up(ok("one")).body("one").cache("detail=no-lifetime"),
                page().up(ok("two")).body("two"),
            ],
        ),
        case(
            "a lifetime is guessed from the last change",
            [
                page()
                    .up(ok("old").with("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT"))
                    .miss(),
                page().hit(),
            ],
        ),
        case(
            "what must not be stored is not",
            [
                page().up(ok("a").cc("no-store")).cache("detail=no-store"),
                page().up(ok("b").cc("private")).cache("detail=private"),
                page().up(ok("c").cc("max-age=60").with("vary", "*")).cache("detail=vary"),
                page()
                    .up(ok("d")
                        .with("set-cookie", "a=1")
                        .with("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT"))
                    .cache("detail=set-cookie"),
                page().up(ok("e").cc("max-age=60")).miss(),
                page().hit().body("e"),
            ],
        ),
        case(
            "s-maxage counts over max-age",
            [
                page().up(ok("one").cc("max-age=0, s-maxage=60")).miss(),
                page().hit(),
            ],
        ),
        case(
            "CDN-Cache-Control counts over both and goes on to the next cache",
            [
                page()
                    .up(ok("one").cc("no-store").with("cdn-cache-control", "max-age=60"))
                    .miss()
                    .is("cdn-cache-control", "max-age=60")
                    .is("cache-control", "no-store"),
                page().hit().is("cdn-cache-control", "max-age=60"),
            ],
        ),
        case(
            "Expires counts where nothing else is said",
            [
                page()
                    .up(ok("one").with("expires", "Fri, 01 Jan 2100 00:00:00 GMT"))
                    .miss(),
                page().hit(),
            ],
        ),
        case(
            "an age that it comes with is counted",
            [
                page().up(ok("one").cc("max-age=100").with("age", "40")).cache("ttl=60"),
                page().hit().is("age", "40"),
            ],
        ),
        case(
            "queries make different answers",
            [
                get("/open/@?a=1").up(ok("one").cc("max-age=60")).miss(),
                get("/open/@?a=2").up(ok("two").cc("max-age=60")).miss(),
                get("/open/@?a=1").hit().body("one"),
                get("/open/@?a=2").hit().body("two"),
                get("/open/@").up(ok("none").cc("max-age=60")).miss(),
                get("/open/@?").up(ok("empty").cc("max-age=60")).miss(),
            ],
        )
        .except(
            Host::Workerd,
            "An empty query (`/path?`) is the same as none: the runtime's URLs do not tell them apart.",
        ),
        case(
            "Vary keeps answers apart",
            [
                page()
                    .with("accept-language", "de")
                    .up(ok("eins").cc("max-age=60").with("vary", "Accept-Language"))
                    .miss(),
                page()
                    .with("accept-language", "en")
                    .up(ok("one").cc("max-age=60").with("vary", "Accept-Language"))
                    .cache("fwd=vary-miss"),
                page().with("accept-language", "de").hit().body("eins"),
                page().with("accept-language", "EN").hit().body("one"),
            ],
        ),
        case(
            "a HEAD is answered from a stored GET",
            [
                page().up(ok("body").cc("max-age=60")).miss(),
                send("HEAD", "/open/@").hit().is("content-length", "4").body(""),
            ],
        ),
        case(
            "a HEAD brings what is stored up to date",
            [
                page()
                    .up(ok("body").cc("max-age=10").with("age", "100").with("etag", "\"a\""))
                    .cache("; stored"),
                send("HEAD", "/open/@")
                    .up(ok("body").cc("max-age=60").with("etag", "\"a\"").with("x-new", "1"))
                    .cache("fwd=stale; fwd-status=200")
                    .cache("; stored")
                    .is("x-new", "1")
                    .is("content-length", "4")
                    .body(""),
                page().hit().body("body").is("x-new", "1"),
            ],
        ),
        case(
            "a HEAD about another version drops what is stored",
            [
                page()
                    .up(ok("body").cc("max-age=10").with("age", "100").with("etag", "\"a\""))
                    .cache("; stored"),
                send("HEAD", "/open/@")
                    .up(ok("other").cc("max-age=60").with("etag", "\"b\""))
                    .cache("fwd=stale; fwd-status=200")
                    .is("etag", "\"b\"")
                    .body(""),
                page().up(ok("other").cc("max-age=60").with("etag", "\"b\"")).miss().sees_no("if-none-match"),
            ],
        ),
        case(
            "a HEAD that finds something drops that there was nothing",
            [
                page()
                    .up(status(404).cc("max-age=10").with("age", "100").with("etag", "\"a\""))
                    .gives(404)
                    .cache("; stored"),
                send("HEAD", "/open/@")
                    .up(ok("").cc("max-age=60"))
                    .gives(200)
                    .cache("fwd=stale; fwd-status=200")
                    .body(""),
                page().up(ok("there").cc("max-age=60")).miss().body("there"),
            ],
        ),
        case(
            "a HEAD that fails is answered by what is stored",
            [
                page()
                    .up(ok("body").cc("max-age=10, stale-if-error=600").with("age", "100"))
                    .cache("; stored"),
                send("HEAD", "/open/@")
                    .up(status(503))
                    .gives(200)
                    .cache("detail=stale-if-error")
                    .is("content-length", "4")
                    .body(""),
            ],
        ),
        case(
            "a HEAD that misses is passed on",
            [
                send("HEAD", "/open/@").up(ok("body").cc("max-age=60")).cache("fwd=uri-miss").body(""),
                page().up(ok("body").cc("max-age=60")).miss(),
            ],
        ),
        case(
            "a range of a stored answer",
            [
                page().up(ok("0123456789").cc("max-age=60")).miss(),
                page()
                    .with("range", "bytes=2-4")
                    .gives(206)
                    .body("234")
                    .is("content-range", "bytes 2-4/10")
                    .is("content-length", "3"),
                page().with("range", "bytes=-3").gives(206).body("789"),
                page().with("range", "bytes=7-").gives(206).body("789"),
                page().with("range", "bytes=20-").gives(416).is("content-range", "bytes */10"),
                page().with("range", "lines=1-2").gives(200).body("0123456789"),
                page().with("range", "bytes=0-1,4-5").gives(200).body("0123456789"),
            ],
        ),
        case(
            "a range that misses is passed on as a range",
            [
                page()
                    .with("range", "bytes=0-1")
                    .up(
                        Up::new(206, "01")
                            .cc("max-age=60")
                            .with("content-range", "bytes 0-1/10"),
                    )
                    .gives(206)
                    .sees("range", "bytes=0-1")
                    .body("01"),
                page().up(ok("0123456789").cc("max-age=60")).cache("fwd-status=200").body("0123456789"),
                page().hit().body("0123456789"),
            ],
        ),
        case(
            "a part is given to those who ask for what it has",
            [
                page()
                    .with("range", "bytes=2-5")
                    .up(part("2345", "bytes 2-5/10"))
                    .gives(206)
                    .miss()
                    .body("2345"),
                page()
                    .with("range", "bytes=2-5")
                    .gives(206)
                    .hit()
                    .is("content-range", "bytes 2-5/10")
                    .body("2345"),
                page()
                    .with("range", "bytes=3-4")
                    .gives(206)
                    .hit()
                    .is("content-range", "bytes 3-4/10")
                    .is("content-length", "2")
                    .body("34"),
                page()
                    .with("range", "bytes=8-9")
                    .up(part("89", "bytes 8-9/10"))
                    .gives(206)
                    .cache("fwd=partial; fwd-status=206")
                    .sees("range", "bytes=8-9")
                    .body("89"),
                send("HEAD", "/open/@")
                    .up(ok("0123456789").cc("max-age=60").with("etag", "\"a\""))
                    .cache("fwd=partial; fwd-status=200")
                    .body(""),
                page()
                    .up(ok("0123456789").cc("max-age=60").with("etag", "\"a\""))
                    .cache("fwd=partial; fwd-status=200")
                    .sees_no("range")
                    .body("0123456789"),
                page().with("range", "bytes=0-1").gives(206).hit().body("01"),
            ],
        ),
        case(
            "a part that is stale is asked about as a part",
            [
                page()
                    .with("range", "bytes=2-5")
                    .up(part("2345", "bytes 2-5/10").with("age", "100"))
                    .gives(206)
                    .body("2345"),
                page()
                    .with("range", "bytes=2-5")
                    .up(status(304).cc("max-age=60").with("etag", "\"a\""))
                    .gives(206)
                    .cache("fwd=stale; fwd-status=304")
                    .sees("range", "bytes=2-5")
                    .sees("if-none-match", "\"a\"")
                    .is("content-range", "bytes 2-5/10")
                    .body("2345"),
                page().with("range", "bytes=4-5").gives(206).hit().body("45"),
                page()
                    .with("range", "bytes=4-5")
                    .with("if-none-match", "\"a\"")
                    .gives(304)
                    .hit()
                    .lacks("content-range")
                    .body(""),
            ],
        ),
        case(
            "a client that has it gets 304",
            [
                page()
                    .up(ok("one").cc("max-age=60").with("etag", "\"a\""))
                    .miss()
                    .is("etag", "\"a\""),
                page().with("if-none-match", "\"a\"").gives(304).hit().body("").is("etag", "\"a\""),
                page().with("if-none-match", "W/\"a\"").gives(304),
                page().with("if-none-match", "*").gives(304),
                page().with("if-none-match", "\"b\"").gives(200).body("one"),
            ],
        ),
        case(
            "a client that has it by date gets 304",
            [
                page()
                    .up(ok("one")
                        .cc("max-age=60")
                        .with("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT"))
                    .miss(),
                page()
                    .with("if-modified-since", "Mon, 01 Jan 2024 00:00:00 GMT")
                    .gives(304)
                    .hit(),
                page()
                    .with("if-modified-since", "Sun, 31 Dec 2023 00:00:00 GMT")
                    .gives(200)
                    .body("one"),
            ],
        ),
        case(
            "a condition of a request that misses is the upstream's, and what comes is checked",
            [page()
                .with("if-none-match", "\"a\"")
                .up(ok("one").cc("max-age=60").with("etag", "\"a\""))
                .gives(304)
                .sees("if-none-match", "\"a\"")
                .body("")],
        ),
        case(
            "statuses that are stored by their meaning",
            [
                get("/open/@/gone").up(status(410).with("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")).gives(410).miss(),
                get("/open/@/gone").gives(410).hit(),
                get("/open/@/moved").up(status(301).cc("max-age=60").with("location", "/x")).gives(301).miss(),
                get("/open/@/moved").gives(301).hit().is("location", "/x"),
                get("/open/@/none").up(status(404).cc("max-age=60")).gives(404).miss(),
                get("/open/@/none").gives(404).hit(),
                get("/open/@/empty").up(status(204).cc("max-age=60")).gives(204).miss(),
                get("/open/@/empty").gives(204).hit(),
            ],
        ),
        case(
            "a redirect that says nothing is not stored",
            [
                page().up(status(302).with("location", "/x")).gives(302),
                page().up(ok("now")).body("now"),
            ],
        ),
        case(
            "a client that wants no stored answer",
            [
                page().up(ok("one").cc("max-age=60")).miss(),
                page().with("cache-control", "no-cache").up(ok("two").cc("max-age=60")).cache("fwd=request").body("two"),
                page().hit().body("two"),
                page().with("pragma", "no-cache").hit().body("two"),
            ],
        ),
        case(
            "a client that wants nothing stored",
            [
                page()
                    .with("cache-control", "no-store")
                    .up(ok("one").cc("max-age=60"))
                    .cache("detail=request-no-store"),
                page().up(ok("two").cc("max-age=60")).miss(),
            ],
        ),
        case(
            "a client that wants only what is stored",
            [
                page().with("cache-control", "only-if-cached").gives(504),
                page().up(ok("one").cc("max-age=60")).miss(),
                page().with("cache-control", "only-if-cached").hit(),
            ],
        ),
        case(
            "a GET with a body is passed on",
            [{
                let mut asked = page().up(ok("one").cc("max-age=60")).cache("fwd=request");
                asked.body = "question".to_owned();
                asked.sees_body("question")
            }],
        )
        .except(
            Host::Workerd,
            "A GET or HEAD with a body loses the body: the runtime's requests cannot have one.",
        ),
        case(
            "OPTIONS is passed on",
            [
                send("OPTIONS", "/open/@").up(ok("").with("allow", "GET")).is("allow", "GET").cache("fwd=method"),
            ],
        ),
        case(
            "preconditions are the origin's",
            [
                page().up(ok("one").cc("max-age=60").with("etag", "\"a\"")).miss(),
                page()
                    .with("if-match", "\"b\"")
                    .up(status(412))
                    .gives(412)
                    .sees("if-match", "\"b\"")
                    .cache("detail=precondition"),
            ],
        ),
        case(
            "Cache-Status of caches before is kept",
            [
                page()
                    .up(ok("one").cc("max-age=60").with("cache-status", "Origin; hit"))
                    .is("cache-status", "Origin; hit, Zephyr; fwd=uri-miss; fwd-status=200; ttl=60; stored"),
                page().has("cache-status", "Origin; hit, Zephyr; hit"),
            ],
        ),
        case(
            "the cache policy cleans and sorts the query",
            [
                get("/rules/@?b=2&utm_source=x&a=1").up(ok("one")).sees_target("/rules/@?a=1&b=2").miss().cache("ttl=60"),
                get("/rules/@?a=1&b=2").hit(),
                get("/rules/@?a=1&utm_medium=y&b=2").hit(),
                get("/rules/@?a=1").up(ok("two")).miss(),
            ],
        ),
        case(
            "the cache policy keys by a field",
            [
                get("/rules/@").with("x-tenant", "a").up(ok("a")).miss(),
                get("/rules/@").with("x-tenant", "b").up(ok("b")).miss(),
                get("/rules/@").with("x-tenant", "a").hit().body("a"),
                get("/rules/@").up(ok("none")).miss(),
            ],
        ),
        case(
            "the cache policy bypasses",
            [
                get("/rules/@").up(ok("shared")).miss(),
                get("/rules/@")
                    .with("cookie", "session=1")
                    .up(ok("own"))
                    .cache("fwd=bypass")
                    .cache("detail=signed-in")
                    .body("own"),
                get("/rules/@").hit().body("shared"),
            ],
        ),
        case(
            "the cache policy sets no lifetime for failures",
            [
                get("/rules/@").up(status(500)).gives(500),
                get("/rules/@").up(ok("well")).miss(),
            ],
        ),
        case(
            "a route without a cache stores nothing",
            [
                get("/pass/@").up(ok("one").cc("max-age=60")).lacks("cache-status"),
                get("/pass/@").up(ok("two").cc("max-age=60")).body("two"),
            ],
        ),
    ]
}
