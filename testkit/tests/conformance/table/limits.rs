//! Rate limits: the same arithmetic everywhere, and the fields that tell of it.

use crate::case::{Case, case, get, ok, post};
use crate::tokens::Keys;

pub(crate) fn cases(keys: &Keys) -> Vec<Case> {
    let ask = |key: &str| get("/limit/@").with("x-key", key.to_owned());
    vec![
        case(
            "a burst is allowed and then no more",
            [
                ask("a")
                    .up(ok("1").cc("no-store"))
                    .is("ratelimit", "\"key\";r=1;t=1800")
                    .is("ratelimit-policy", "\"key\";q=2;w=3600"),
                ask("a")
                    .up(ok("2").cc("no-store"))
                    .has("ratelimit", "\"key\";r=0;t="),
                ask("a")
                    .gives(429)
                    .has("ratelimit", "\"key\";r=0;t=")
                    .has("retry-after", "1")
                    .is("content-type", "application/problem+json"),
                ask("a").gives(429),
            ],
        ),
        case(
            "keys are counted apart",
            [
                ask("b").up(ok("1").cc("no-store")),
                ask("b").up(ok("2").cc("no-store")),
                ask("b").gives(429),
                ask("c").up(ok("3").cc("no-store")).has("ratelimit", "r=1"),
            ],
        ),
        case(
            "a request without the key is not counted",
            [
                get("/limit/@")
                    .up(ok("1").cc("no-store"))
                    .lacks("ratelimit"),
                get("/limit/@").up(ok("2").cc("no-store")),
                get("/limit/@").up(ok("3").cc("no-store")),
            ],
        ),
        case(
            "hits are counted as well, and their fields are their own",
            [
                ask("d")
                    .up(ok("x").cc("max-age=60"))
                    .miss()
                    .has("ratelimit", "r=1"),
                ask("d").hit().has("ratelimit", "r=0"),
                ask("d").gives(429).lacks("cache-status"),
                ask("e").hit().has("ratelimit", "r=1"),
            ],
        ),
        case(
            "two limits, and the one that is used up refuses",
            [
                post("/limits/@", "")
                    .with("x-key", "f")
                    .up(ok("1"))
                    .has("ratelimit", "\"wide\";r=4")
                    .has("ratelimit", "\"writes\";r=0"),
                post("/limits/@", "")
                    .with("x-key", "f")
                    .gives(429)
                    .has("ratelimit", "\"wide\";r=4"),
                post("/limits/@", "")
                    .with("x-key", "f")
                    .gives(429)
                    .has("ratelimit", "\"wide\";r=4"),
                get("/limits/@")
                    .with("x-key", "f")
                    .up(ok("2"))
                    .has("ratelimit", "\"wide\";r=3"),
            ],
        ),
        case(
            "a limit for writes leaves reads alone",
            [
                get("/limits/@")
                    .with("x-key", "g")
                    .up(ok("1"))
                    .has_not("ratelimit", "writes"),
                get("/limits/@")
                    .with("x-key", "g")
                    .up(ok("2"))
                    .has("ratelimit", "\"wide\";r=3"),
            ],
        ),
        case(
            "the limit stands before the token",
            [
                get("/guarded/@")
                    .with("x-key", "h")
                    .with("authorization", keys.expired())
                    .gives(401)
                    .has("ratelimit", "r=0"),
                get("/guarded/@")
                    .with("x-key", "h")
                    .with("authorization", keys.good())
                    .gives(429),
            ],
        ),
        case(
            "a limit does not know what a route has stored for others",
            [
                ask("i")
                    .up(ok("1").cc("max-age=60").with("vary", "x-key"))
                    .miss(),
                ask("j")
                    .up(ok("2").cc("max-age=60").with("vary", "x-key"))
                    .cache("fwd=vary-miss"),
                ask("i").hit().body("1"),
                ask("j").hit().body("2"),
                ask("i").gives(429),
            ],
        ),
    ]
}
