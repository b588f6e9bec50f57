//! Writes, and what they drop (RFC 9111, section 4.4; RFC 9875).

use crate::case::{Case, case, get, ok, post, send, status};
use crate::tokens::Keys;

pub(crate) fn cases(keys: &Keys) -> Vec<Case> {
    let one = || ok("one").cc("max-age=60");
    let two = || ok("two").cc("max-age=60");
    vec![
        case(
            "a write drops its own URL",
            [
                get("/open/@").up(one()).miss(),
                get("/open/@").hit(),
                post("/open/@", "new")
                    .up(ok("done"))
                    .sees_body("new")
                    .body("done")
                    .cache("fwd=method"),
                get("/open/@").up(two()).body("two").cache("fwd=uri-miss"),
                get("/open/@").hit().body("two"),
            ],
        ),
        case(
            "a write drops what its answer names",
            [
                get("/open/@/list").up(one()).miss(),
                get("/open/@/item").up(one()).miss(),
                get("/open/@/other").up(one()).miss(),
                post("/open/@/list", "")
                    .up(status(201)
                        .with("location", "/open/a-write-drops-what-its-answer-names/item"))
                    .gives(201),
                get("/open/@/item").up(two()).body("two"),
                get("/open/@/list").up(two()).body("two"),
                get("/open/@/other").hit().body("one"),
            ],
        ),
        case(
            "a write that fails drops nothing",
            [
                get("/open/@").up(one()).miss(),
                post("/open/@", "").up(status(422)).gives(422),
                get("/open/@").hit().body("one"),
            ],
        ),
        case(
            "other unsafe methods drop as well",
            [
                get("/open/@").up(one()).miss(),
                send("PUT", "/open/@").up(status(204)).gives(204),
                get("/open/@").up(two()).body("two"),
                send("DELETE", "/open/@").up(status(204)).gives(204),
                get("/open/@").up(one()).body("one"),
                send("PATCH", "/open/@").up(ok("")).gives(200),
                get("/open/@").up(two()).body("two"),
            ],
        ),
        case(
            "a write drops a cache group",
            [
                get("/open/@/a")
                    .up(one().with("cache-groups", "\"g-@\""))
                    .miss(),
                get("/open/@/b")
                    .up(one().with("cache-groups", "\"g-@\""))
                    .miss(),
                get("/open/@/c").up(one()).miss(),
                post("/open/@/x", "")
                    .up(ok("").with("cache-group-invalidation", "\"g-@\""))
                    .gives(200),
                get("/open/@/a").up(two()).body("two"),
                get("/open/@/b").up(two()).body("two"),
                get("/open/@/c").hit().body("one"),
            ],
        ),
        case(
            "a safe answer drops nothing",
            [
                get("/open/@/a")
                    .up(one().with("cache-groups", "\"h-@\""))
                    .miss(),
                get("/open/@/b")
                    .up(one().with("cache-group-invalidation", "\"h-@\""))
                    .miss(),
                get("/open/@/a").hit(),
            ],
        ),
        case(
            "a refused write drops nothing",
            [
                get("/auth/@").up(one()).miss(),
                post("/auth/@", "").gives(401),
                get("/auth/@").hit().body("one"),
                post("/auth/@", "x")
                    .with("authorization", keys.good())
                    .up(ok("done")),
                get("/auth/@").up(two()).body("two"),
            ],
        ),
        case(
            "a write drops all variants",
            [
                get("/open/@")
                    .with("accept", "a")
                    .up(one().with("vary", "accept"))
                    .miss(),
                get("/open/@")
                    .with("accept", "b")
                    .up(one().with("vary", "accept")),
                post("/open/@", "").up(ok("")),
                get("/open/@")
                    .with("accept", "a")
                    .up(two().with("vary", "accept"))
                    .body("two"),
                get("/open/@")
                    .with("accept", "b")
                    .up(two().with("vary", "accept"))
                    .body("two"),
            ],
        ),
        case(
            "the answer to a POST that names its own URL stands for a GET",
            [
                get("/open/@").up(one()).miss(),
                post("/open/@", "x")
                    .up(ok("new")
                        .cc("max-age=60")
                        .with("content-location", "/open/@"))
                    .body("new")
                    .cache("fwd=method; fwd-status=200")
                    .cache("; stored"),
                get("/open/@").hit().body("new"),
                post("/open/@", "x")
                    .up(ok("said").with("content-location", "/open/@"))
                    .has_not("cache-status", "stored"),
                get("/open/@").up(two()).body("two"),
            ],
        ),
        case(
            "surrogate keys are for caches alone",
            [
                get("/open/@")
                    .up(one().with("surrogate-key", "k1 k2"))
                    .lacks("surrogate-key")
                    .miss(),
                get("/open/@").hit().lacks("surrogate-key"),
                get("/pass/@")
                    .up(one().with("surrogate-key", "k1"))
                    .lacks("surrogate-key"),
            ],
        ),
    ]
}
