//! The `ratelimit` policy on the host, with the limiter's real arithmetic.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use zephyr_component_ratelimit::RateLimit;
use zephyr_edge_core::testing::{TestExchange, TestHost, run};
use zephyr_edge_core::{Filter, Phases, Reply, Verdict};

fn limiter(config: &Value) -> RateLimit {
    let (policy, phases) = RateLimit::configure(&config.to_string()).expect("a good configuration");
    assert_eq!(phases, Phases::REQUEST, "nothing to do on the way out");
    policy
}

fn ask(policy: &RateLimit, host: &TestHost, x: &mut TestExchange) -> Option<Reply> {
    match run(policy.on_request(x, host)) {
        Verdict::Next => None,
        Verdict::Reply(reply) => Some(reply),
    }
}

#[track_caller]
fn status(policy: &RateLimit, host: &TestHost, mut x: TestExchange) -> u16 {
    ask(policy, host, &mut x).map_or(200, |reply| reply.status)
}

/// One request a minute for each key.
fn once_by(key: &Value) -> RateLimit {
    limiter(&json!({ "limits": [{ "name": "a", "key": key, "count": 1, "period": "1m" }] }))
}

#[test]
fn a_burst_is_allowed_and_then_refused() {
    let policy = limiter(&json!({
        "limits": [{ "name": "ip", "key": ["ip"], "count": 2, "period": "10s", "burst": 3 }],
    }));
    let host = TestHost::new();
    let mut states = Vec::new();
    for _ in 0..3 {
        let mut x = TestExchange::get("/");
        assert_eq!(ask(&policy, &host, &mut x), None);
        assert_eq!(
            x.answer("ratelimit-policy"),
            Some("\"ip\";q=2;w=10;zephyr-burst=3")
        );
        states.push(x.answer("ratelimit").unwrap().to_owned());
    }
    assert_eq!(
        states,
        ["\"ip\";r=2;t=5", "\"ip\";r=1;t=5", "\"ip\";r=0;t=5"]
    );

    host.advance(Duration::from_millis(500));
    let mut x = TestExchange::get("/");
    let reply = ask(&policy, &host, &mut x).unwrap();
    assert_eq!(reply.status, 429);
    assert_eq!(reply.header("retry-after"), Some("5"), "4.5 s, rounded up");
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(x.answer("ratelimit"), Some("\"ip\";r=0;t=5"));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["status"], 429);
    assert_eq!(
        body["detail"],
        "The limit \"ip\" is used up; try again in 5 s."
    );

    host.advance(Duration::from_millis(4500));
    assert_eq!(status(&policy, &host, TestExchange::get("/")), 200);
    assert_eq!(status(&policy, &host, TestExchange::get("/")), 429);
}

#[test]
fn clients_are_counted_apart_and_an_ipv6_network_together() {
    let (policy, host) = (once_by(&json!(["ip"])), TestHost::new());
    let from = |address: &str| TestExchange::get("/").with_client_ip(address);
    let cases = [
        ("203.0.113.1", 200),
        ("203.0.113.1", 429),
        ("203.0.113.2", 200),
        ("2001:db8::1", 200),
        ("2001:db8::2", 429),
        ("2001:db8:0:1::2", 200),
        ("::ffff:203.0.113.1", 429),
    ];
    for (address, expected) in cases {
        assert_eq!(status(&policy, &host, from(address)), expected, "{address}");
    }
}

#[test]
fn every_part_tells_requests_apart() {
    let get = || TestExchange::get("/");
    let cases = [
        (
            "user",
            get().with_header("x-zephyr-subject", "a"),
            get().with_header("x-zephyr-subject", "b"),
        ),
        (
            "api-key",
            get().with_header("x-api-key", "a"),
            get().with_header("x-api-key", "b"),
        ),
        (
            "header:X-Tenant",
            get().with_header("x-tenant", "a"),
            get().with_header("x-tenant", "b"),
        ),
        ("route", get().with_route("a"), get().with_route("b")),
        ("method", get(), TestExchange::new("PUT", "/")),
    ];
    for (part, one, other) in cases {
        let (policy, host) = (once_by(&json!([part])), TestHost::new());
        assert_eq!(status(&policy, &host, one.clone()), 200, "{part}");
        assert_eq!(status(&policy, &host, other), 200, "{part}");
        assert_eq!(status(&policy, &host, one), 429, "{part}");
    }
    let (policy, host) = (once_by(&json!(["host"])), TestHost::new());
    for (authority, expected) in [("a", 200), ("b", 200), ("a", 429)] {
        let mut x = get();
        x.authority = authority.to_owned();
        assert_eq!(status(&policy, &host, x), expected);
    }
}

#[test]
fn a_limit_does_not_apply_to_who_lacks_a_part() {
    let host = TestHost::new();
    for part in ["user", "api-key", "header:x-tenant"] {
        let policy = once_by(&json!(["ip", part]));
        for _ in 0..3 {
            let mut x = TestExchange::get("/").with_header("x-tenant", "");
            assert_eq!(ask(&policy, &host, &mut x), None, "{part}");
            assert_eq!(
                x.answer("ratelimit"),
                None,
                "nothing is said of what does not apply"
            );
        }
    }
    assert!(host.calls().is_empty());
}

#[test]
fn the_address_can_take_the_place_of_a_missing_part() {
    let host = TestHost::new();
    let policy = limiter(&json!({ "limits": [
        { "name": "a", "key": ["user"], "count": 1, "period": "1m", "fallback": "ip" },
    ] }));
    let from = |address: &str| TestExchange::get("/").with_client_ip(address);
    assert_eq!(status(&policy, &host, from("203.0.113.1")), 200);
    assert_eq!(status(&policy, &host, from("203.0.113.1")), 429);
    assert_eq!(status(&policy, &host, from("203.0.113.2")), 200);
    let user = from("203.0.113.1").with_header("x-zephyr-subject", "203.0.113.1");
    assert_eq!(status(&policy, &host, user), 200, "a user is no address");
}

#[test]
fn several_limits_count_together_or_not_at_all() {
    let host = TestHost::new();
    let policy = limiter(&json!({ "limits": [
        { "name": "all", "key": ["host"], "count": 10, "period": "1m" },
        { "name": "ip", "key": ["ip"], "count": 1, "period": "2m", "burst": 1 },
        { "name": "user", "key": ["user"], "count": 1, "period": "1m" },
    ] }));
    let mut x = TestExchange::get("/");
    assert_eq!(ask(&policy, &host, &mut x), None);
    assert_eq!(
        x.answer("ratelimit-policy"),
        Some("\"all\";q=10;w=60, \"ip\";q=1;w=120")
    );
    assert_eq!(
        x.answer("ratelimit"),
        Some("\"all\";r=9;t=6, \"ip\";r=0;t=120")
    );
    for _ in 0..5 {
        let mut x = TestExchange::get("/").with_header("x-zephyr-subject", "a");
        let reply = ask(&policy, &host, &mut x).unwrap();
        assert_eq!(
            reply.header("retry-after"),
            Some("120"),
            "the one that waits longest"
        );
        assert_eq!(
            x.answer("ratelimit"),
            Some("\"all\";r=9;t=6, \"ip\";r=0;t=120, \"user\";r=1")
        );
    }
}

#[test]
fn methods_and_paths_narrow_a_limit() {
    let host = TestHost::new();
    let policy = limiter(&json!({ "limits": [{
        "name": "login", "key": ["ip", "route"], "count": 1, "period": "1m",
        "methods": ["POST"], "paths": ["/api/auth/{what}"],
    }] }));
    let cases = [
        ("POST", "/api/auth/login", 200),
        ("GET", "/api/auth/login", 200),
        ("POST", "/api/other", 200),
        ("POST", "/api/auth/register", 429),
        ("POST", "/api/%61uth/login", 429),
    ];
    for (method, path, expected) in cases {
        assert_eq!(
            status(&policy, &host, TestExchange::new(method, path)),
            expected,
            "{path}"
        );
    }
}

#[test]
fn a_cost_uses_up_more() {
    let host = TestHost::new();
    let policy = limiter(&json!({ "limits": [
        { "name": "a", "key": ["ip"], "count": 10, "period": "10s", "cost": 4 },
    ] }));
    let mut x = TestExchange::get("/");
    assert_eq!(ask(&policy, &host, &mut x), None);
    assert_eq!(x.answer("ratelimit"), Some("\"a\";r=6;t=1"));
    assert_eq!(status(&policy, &host, TestExchange::get("/")), 200);
    let reply = ask(&policy, &host, &mut TestExchange::get("/")).unwrap();
    assert_eq!(reply.header("retry-after"), Some("2"));
}

#[test]
fn two_stages_both_show() {
    let (one, two, host) = (
        once_by(&json!(["ip"])),
        once_by(&json!(["route"])),
        TestHost::new(),
    );
    let mut x = TestExchange::get("/");
    assert_eq!(ask(&one, &host, &mut x), None);
    assert_eq!(ask(&two, &host, &mut x), None);
    assert_eq!(
        x.response
            .iter()
            .filter(|(name, _)| name == "ratelimit")
            .count(),
        2
    );
}

#[test]
fn fields_can_be_left_out() {
    let host = TestHost::new();
    let policy = limiter(&json!({
        "limits": [{ "name": "a", "key": ["ip"], "count": 1, "period": "1m" }],
        "headers": false,
    }));
    let mut x = TestExchange::get("/");
    assert_eq!(ask(&policy, &host, &mut x), None);
    assert_eq!(x.calls(), ["client-ip"]);
    let reply = ask(&policy, &host, &mut x).unwrap();
    assert_eq!(reply.header("retry-after"), Some("60"));
    assert!(x.response.is_empty());
}

#[test]
fn unreachable_counters_close_or_open_as_told() {
    let host = TestHost::new();
    host.set_unavailable(true);
    let config = |on_unavailable: Option<&str>| {
        let mut config =
            json!({ "limits": [{ "name": "a", "key": ["ip"], "count": 1, "period": "1m" }] });
        if let Some(value) = on_unavailable {
            config["on_unavailable"] = json!(value);
        }
        limiter(&config)
    };
    for policy in [config(None), config(Some("closed"))] {
        let reply = ask(&policy, &host, &mut TestExchange::get("/")).unwrap();
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("1"))
        );
    }
    let open = config(Some("open"));
    let before = host.lines().len();
    for _ in 0..5 {
        let mut x = TestExchange::get("/");
        assert_eq!(ask(&open, &host, &mut x), None);
        assert_eq!(x.answer("ratelimit"), None);
    }
    assert_eq!(host.lines().len(), before + 1, "said once");
    host.set_unavailable(false);
    assert_eq!(status(&open, &host, TestExchange::get("/")), 200);
    assert_eq!(status(&open, &host, TestExchange::get("/")), 429);
    assert_eq!(host.lines().len(), before + 2, "and when it is over");
}

/// What the policy costs on a node: every accessor is a call from the guest to its host.
#[test]
fn the_common_case_needs_four_calls() {
    let host = TestHost::new();
    let policy = limiter(&json!({
        "limits": [{ "name": "ip", "key": ["ip"], "count": 100, "period": "1s", "burst": 200 }],
    }));
    let mut x = TestExchange::get("/");
    assert_eq!(ask(&policy, &host, &mut x), None);
    assert_eq!(
        x.calls(),
        [
            "client-ip",
            "append-response-header",
            "append-response-header"
        ]
    );
    assert_eq!(host.calls(), ["limiter.check"]);
}

#[test]
fn mistakes_are_named() {
    let limit = |changes: Value| {
        let mut limit = json!({ "name": "a", "key": ["ip"], "count": 1, "period": "1s" });
        for (name, value) in changes.as_object().unwrap() {
            limit[name] = value.clone();
        }
        json!({ "limits": [{ "name": "first", "key": ["ip"], "count": 1, "period": "1s" }, limit] })
    };
    let cases = [
        (json!({}), "missing field `limits`"),
        (json!({ "limits": [] }), "limits: must hold"),
        (limit(json!({ "name": "" })), "limits[1].name: "),
        (limit(json!({ "name": "a\"b" })), "limits[1].name: "),
        (
            limit(json!({ "name": "first" })),
            "limits[1].name: \"first\" stands there twice",
        ),
        (limit(json!({ "key": [] })), "limits[1].key: "),
        (
            limit(json!({ "key": ["cookie"] })),
            "limits[1].key[0]: \"cookie\" is none of",
        ),
        (
            limit(json!({ "key": ["header:a b"] })),
            "limits[1].key[0]: ",
        ),
        (
            limit(json!({ "count": 0 })),
            "limits[1].count: must be at least 1",
        ),
        (
            limit(json!({ "count": -1 })),
            "limits[1].count: invalid value",
        ),
        (
            limit(json!({ "count": 2_000_000 })),
            "limits[1].count: in period must not be above a million",
        ),
        (
            limit(json!({ "period": "0s" })),
            "limits[1].period: must be 1 ms to 366 days",
        ),
        (
            limit(json!({ "period": 1 })),
            "limits[1].period: invalid type",
        ),
        (
            limit(json!({ "burst": 0 })),
            "limits[1].burst: must be at least 1",
        ),
        (
            limit(json!({ "cost": 0 })),
            "limits[1].cost: must be at least 1",
        ),
        (
            limit(json!({ "cost": 2 })),
            "limits[1].cost: must not be above burst",
        ),
        (
            limit(json!({ "methods": ["post"] })),
            "limits[1].methods: \"post\" is not a method",
        ),
        (limit(json!({ "methods": [] })), "limits[1].methods: "),
        (limit(json!({ "paths": [] })), "limits[1].paths: "),
        (
            limit(json!({ "paths": ["x"] })),
            "limits[1].paths[0]: path pattern",
        ),
        (
            limit(json!({ "fallback": "user" })),
            "limits[1].fallback: unknown variant `user`",
        ),
        (
            limit(json!({ "window": "1s" })),
            "limits[1].window: unknown field",
        ),
        (json!({ "limit": [] }), "limit: unknown field"),
    ];
    for (config, words) in cases {
        let error = RateLimit::configure(&config.to_string())
            .expect_err(words)
            .to_string();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
    let mut config = limit(json!({}));
    for (key, value) in [
        ("ipv6_prefix", json!(16)),
        ("api_key_header", json!("a b")),
        ("on_unavailable", json!("maybe")),
        ("headers", json!("yes")),
    ] {
        config[key] = value;
        let error = RateLimit::configure(&config.to_string())
            .expect_err(key)
            .to_string();
        assert!(error.starts_with(&format!("{key}: ")), "{error}");
        config.as_object_mut().unwrap().remove(key);
    }
}

#[test]
fn the_shipped_configuration_is_taken() {
    let node: Value = toml::from_str(include_str!("../../../zephyr.toml")).unwrap();
    let routes = node["routes"].as_array().unwrap();
    let stages = routes
        .iter()
        .flat_map(|route| route["stages"].as_array().into_iter().flatten());
    let mut found = 0;
    for stage in stages.filter(|stage| stage["filter"] == "ratelimit") {
        RateLimit::configure(&stage["config"].to_string()).unwrap();
        found += 1;
    }
    assert!(found > 0);
}

proptest! {
    /// Whatever a client sends: no two different values share a counter, no key is too long for the
    /// limiter, nothing panics.
    #[test]
    fn values_never_collide(a in "[ -~]{1,2000}", b in "[ -~]{1,2000}") {
        prop_assume!(a != b);
        let policy = once_by(&json!(["header:x-a", "header:x-b", "ip"]));
        let host = TestHost::new();
        let x = |one: &str, two: &str| {
            TestExchange::get("/").with_header("x-a", one).with_header("x-b", two)
        };
        for (one, two) in [(&a, &b), (&b, &a), (&a, &a)] {
            prop_assert_eq!(status(&policy, &host, x(one, two)), 200);
            prop_assert_eq!(status(&policy, &host, x(one, two)), 429);
        }
    }
}
