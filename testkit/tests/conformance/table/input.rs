//! Bad input: refused with a reason, by the same rules.

use crate::case::{Case, Host, case, get, ok, post, send};

const NORMALISED: &str = "Dot segments, backslashes and encoded dots are resolved before the Worker sees the path: the \
     runtime's URLs are WHATWG URLs.";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "dot segments",
            [
                get("/open/@/../x").gives(400),
                get("/open/@/./x").gives(400),
                get("/open/@/%2e%2e/x").gives(400),
                get("/open/@/.%2E/x").gives(400),
            ],
        )
        .except(Host::Workerd, NORMALISED),
        case("a backslash", [get("/open/@/a\\b").gives(400)]).except(Host::Workerd, NORMALISED),
        case(
            "percent signs without digits",
            [get("/open/@/%zz").gives(400), get("/open/@/%2").gives(400)],
        ),
        case("an encoded NUL", [get("/open/@/a%00b").gives(400)]),
        case(
            "an encoded slash separates nothing",
            [get("/open/@/a%2Fb")
                .up(ok("x"))
                .sees_target("/open/@/a%2Fb")],
        ),
        case(
            "a body above the limit",
            [post("/pass/@", &"x".repeat(70_000)).gives(413)],
        ),
        case(
            "methods that this server has nothing to do with",
            [send("TRACE", "/open/@").gives(405).carries("allow")],
        )
        .except(
            Host::Workerd,
            "TRACE and CONNECT are refused by the runtime with an answer of its own.",
        ),
        case(
            "an expectation that cannot be met",
            [get("/pass/@").with("expect", "wonders").gives(417)],
        ),
        case(
            "a head above the limit",
            [get("/pass/@")
                .with("x-large", "x".repeat(40_000))
                .gives(431)],
        ),
        case(
            "framing written with an underscore",
            [get("/pass/@").with("content_length", "5").gives(400)],
        ),
        case(
            "too many fields",
            [(0..150)
                .fold(get("/pass/@"), |exchange, _| exchange.with("x-many", "1"))
                .gives(431)],
        )
        .except(
            Host::Workerd,
            "Lines of one field come joined: their number is not known.",
        ),
        case(
            "methods of one's own are writes",
            [send("MERGE", "/open/@")
                .up(ok("merged"))
                .body("merged")
                .cache("fwd=method")],
        )
        .except(
            Host::Workerd,
            "Methods that the runtime does not know are refused by it.",
        ),
    ]
}
