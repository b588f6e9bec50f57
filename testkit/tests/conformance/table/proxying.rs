//! What upstreams are told, what clients get, and what upstreams do wrong.

use crate::case::{Case, Host, case, fault, get, ok, post, send, status};
use crate::upstream::Fault;

/// What two hosts do about an upstream that closes.
pub(super) const RETRIED: &str = "When an upstream closes a connection without an answer, our own node and the Workers' runtime ask \
     a second time.";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "an upstream is told about the client",
            [get("/pass/@")
                .up(ok("x"))
                .sees("x-forwarded-for", "127.0.0.1")
                .sees("x-forwarded-proto", "http")
                .sees_in("forwarded", "for=127.0.0.1")
                .sees_in("via", "zephyr")
                .sees_in("x-request-id", "-7")
                .carries("x-request-id")
                .has("via", "zephyr")],
        ),
        case(
            "what a client says about itself is not believed",
            [get("/pass/@")
                .with("x-forwarded-for", "6.6.6.6")
                .with("x-forwarded-host", "evil.example")
                .with("forwarded", "for=6.6.6.6")
                .with("x-real-ip", "6.6.6.6")
                .with("x-request-id", "mine")
                .up(ok("x"))
                .sees("x-forwarded-for", "127.0.0.1")
                .sees_in("forwarded", "for=127.0.0.1")
                .sees_no("x-real-ip")
                .has_not("x-request-id", "mine")],
        ),
        case(
            "fields of one connection pass no proxy",
            [get("/pass/@")
                .with("connection", "close, x-hop")
                .with("x-hop", "1")
                .with("te", "trailers")
                .with("proxy-authorization", "Basic x")
                .up(ok("x")
                    .with("keep-alive", "timeout=5")
                    .with("proxy-authenticate", "Basic"))
                .sees_no("proxy-authorization")
                .sees_no("x-hop")
                .lacks("proxy-authenticate")],
        )
        .except(
            Host::Workerd,
            "Fields that the client's `Connection` names reach the upstream: the runtime takes \
             `Connection` itself out before the Worker sees what it named.",
        )
        .except(
            Host::Spin,
            "Fields that the client's `Connection` names reach the upstream: the host takes \
             `Connection` itself out before the component sees what it named.",
        ),
        case(
            "bodies go both ways",
            [
                post("/pass/@", "question")
                    .up(ok("answer"))
                    .sees_body("question")
                    .body("answer"),
                post("/pass/@", &"x".repeat(20_000))
                    .up(ok(&"y".repeat(200_000)))
                    .body(&"y".repeat(200_000)),
                send("PUT", "/pass/@").up(ok("")).body(""),
            ],
        ),
        case(
            "a large answer is stored and given",
            [
                get("/open/@")
                    .up(ok(&"z".repeat(700_000)).cc("max-age=60"))
                    .miss()
                    .body(&"z".repeat(700_000)),
                get("/open/@").hit().body(&"z".repeat(700_000)),
                get("/open/@")
                    .with("range", "bytes=699998-")
                    .gives(206)
                    .body("zz"),
            ],
        )
        .except(
            Host::Workerd,
            "Answers above 256 KiB are stored behind the client's back: the next request may come \
             before they are.",
        ),
        case(
            "statuses and fields come as they are",
            [
                get("/pass/@")
                    .up(status(418).with("x-a", "1").with("x-b", "2"))
                    .gives(418)
                    .is("x-a", "1")
                    .is("x-b", "2"),
                get("/pass/@")
                    .up(ok("").with("set-cookie", "a=1").with("set-cookie", "b=2"))
                    .is("set-cookie", "a=1, b=2"),
                get("/pass/@")
                    .up(status(307).with("location", "http://elsewhere.example/"))
                    .gives(307)
                    .is("location", "http://elsewhere.example/"),
                get("/pass/@").up(status(204)).gives(204).body(""),
            ],
        ),
        case(
            "an upstream that is not there",
            [get("/down/@")
                .gives(502)
                .is("content-type", "application/problem+json")
                .is("cache-control", "no-store")],
        ),
        case(
            "an upstream that closes without an answer",
            [get("/open/@").up(fault(Fault::Close)).gives(502)],
        )
        .except(Host::Node, RETRIED)
        .except(Host::Workerd, RETRIED),
        case(
            "an upstream that does not speak HTTP",
            [get("/open/@").up(fault(Fault::Garbage)).gives(502)],
        ),
        case(
            "an upstream that says nothing",
            [get("/slow/@").up(fault(Fault::Stall)).gives(504)],
        ),
        case(
            "an answer that breaks off is not stored",
            [
                get("/open/@").up(fault(Fault::Short)).breaks_off(),
                get("/open/@")
                    .up(ok("whole").cc("max-age=60"))
                    .body("whole"),
            ],
        ),
        case(
            "the most specific host and path win",
            [
                get("/host/@").up(ok("any")).body("any"),
                get("/one/@/leaf").up(ok("leaf")).body("leaf"),
                get("/one/@/other").gives(404),
                get("/nowhere/@")
                    .gives(404)
                    .is("content-type", "application/problem+json"),
            ],
        ),
    ]
}
