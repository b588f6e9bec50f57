//! Stale answers: asked about, refreshed, given in place of failures (RFC 9111, section 4.3; RFC 5861).
//! An answer that comes with an age is stale at once, so nobody waits.

use super::proxying::RETRIED;
use crate::case::{Case, Host, case, fault, get, ok, status};
use crate::upstream::Fault;

pub(crate) fn cases() -> Vec<Case> {
    let page = || get("/open/@");
    let stale = |cc: &str| ok("old").cc(cc).with("age", "100").with("etag", "\"a\"");
    vec![
        case(
            "a stale answer is asked about and found good",
            [
                page().up(stale("max-age=10")).cache("; stored"),
                page()
                    .up(status(304)
                        .cc("max-age=60")
                        .with("etag", "\"a\"")
                        .with("x-new", "1"))
                    .sees("if-none-match", "\"a\"")
                    .body("old")
                    .cache("fwd=stale; fwd-status=304")
                    .is("x-new", "1"),
                page().hit().body("old").is("x-new", "1"),
            ],
        ),
        case(
            "a stale answer is asked about and replaced",
            [
                page().up(stale("max-age=10")),
                page()
                    .up(ok("new").cc("max-age=60").with("etag", "\"b\""))
                    .body("new")
                    .cache("fwd=stale"),
                page().hit().body("new"),
            ],
        ),
        case(
            "no-cache is stored and asked about each time",
            [
                page()
                    .up(ok("one").cc("no-cache").with("etag", "\"a\""))
                    .cache("; stored"),
                page()
                    .up(status(304).with("etag", "\"a\""))
                    .sees("if-none-match", "\"a\"")
                    .body("one"),
                page().up(status(304).with("etag", "\"a\"")).body("one"),
            ],
        ),
        case(
            "asked about by date where there is no tag",
            [
                page().up(ok("old")
                    .cc("max-age=10")
                    .with("age", "100")
                    .with("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")),
                page()
                    .up(status(304).cc("max-age=60"))
                    .sees("if-modified-since", "Mon, 01 Jan 2024 00:00:00 GMT")
                    .body("old"),
                page().hit(),
            ],
        ),
        case(
            "a 304 about another answer is asked again",
            [
                page().up(stale("max-age=10")),
                page()
                    .up(status(304).with("etag", "\"other\""))
                    .up(ok("whole").cc("max-age=60"))
                    .sees_no("if-none-match")
                    .body("whole"),
            ],
        ),
        case(
            "a 304 that nobody asked for is the upstream's mistake",
            [page().up(status(304)).gives(502)],
        ),
        case(
            "stale while it is refreshed",
            [
                page().up(stale("max-age=10, stale-while-revalidate=600")),
                page()
                    .hit()
                    .cache("detail=stale-while-revalidate")
                    .body("old")
                    .later(ok("new").cc("max-age=60")),
                page().hit().body("new"),
            ],
        ),
        case(
            "stale in place of a failure",
            [
                page().up(stale("max-age=10, stale-if-error=600")),
                page()
                    .up(status(503))
                    .body("old")
                    .cache("detail=stale-if-error")
                    .cache("fwd-status=503"),
            ],
        ),
        case(
            "stale in place of no answer",
            [
                page().up(stale("max-age=10, stale-if-error=600")),
                page()
                    .up(fault(Fault::Close))
                    .body("old")
                    .cache("detail=stale-if-error"),
            ],
        )
        .except(Host::Node, RETRIED)
        .except(Host::Workerd, RETRIED),
        case(
            "no stale answer where it is forbidden",
            [
                page().up(stale("max-age=10, must-revalidate, stale-if-error=600")),
                page().up(status(503)).gives(503),
                page().up(fault(Fault::Garbage)).gives(504),
            ],
        ),
        case(
            "a failure without leave is given as it is",
            [
                page().up(stale("max-age=10")),
                page().up(status(500)).gives(500),
                page()
                    .up(status(304).cc("max-age=60").with("etag", "\"a\""))
                    .body("old"),
            ],
        ),
        case(
            "a client that takes stale answers",
            [
                page().up(stale("max-age=90")),
                page()
                    .with("cache-control", "max-stale=60")
                    .hit()
                    .cache("detail=max-stale"),
                page()
                    .with("cache-control", "max-stale=1")
                    .up(status(304).cc("max-age=60").with("etag", "\"a\""))
                    .body("old"),
            ],
        ),
        case(
            "a client that wants it fresher",
            [
                page()
                    .up(ok("one").cc("max-age=60").with("etag", "\"a\""))
                    .miss(),
                page()
                    .with("cache-control", "min-fresh=600")
                    .up(status(304).cc("max-age=900").with("etag", "\"a\""))
                    .cache("fwd=request")
                    .body("one"),
                page().with("cache-control", "min-fresh=600").hit(),
            ],
        ),
        case(
            "a stale answer that turned private is gone",
            [
                page().up(stale("max-age=10")),
                page()
                    .up(ok("mine").cc("private").with("etag", "\"b\""))
                    .body("mine"),
                page()
                    .up(ok("yours").cc("private"))
                    .sees_no("if-none-match")
                    .body("yours"),
            ],
        ),
    ]
}
