//! The `cache` policy on the host.

use proptest::prelude::*;
use serde_json::{Value, json};
use zephyr_component_cache::Cache;
use zephyr_edge_core::testing::{TestExchange, TestHost, run};
use zephyr_edge_core::{Filter, Phases, Verdict};

fn cache(config: &Value) -> Cache {
    Cache::configure(&config.to_string())
        .expect("a good configuration")
        .0
}

fn phases(config: &Value) -> Phases {
    Cache::configure(&config.to_string())
        .expect("a good configuration")
        .1
}

#[track_caller]
fn on_request(config: &Value, mut x: TestExchange) -> TestExchange {
    assert_eq!(
        run(cache(config).on_request(&mut x, &TestHost::new())),
        Verdict::Next
    );
    x
}

#[track_caller]
fn on_upstream(config: &Value, x: TestExchange, status: u16) -> TestExchange {
    let mut x = x.with_response(status, &[]);
    assert_eq!(
        run(cache(config).on_upstream(&mut x, &TestHost::new())),
        Verdict::Next
    );
    x
}

/// As in `zephyr.toml`.
fn listings() -> Value {
    json!({
        "drop_query": ["utm_*", "gclid", "fbclid"],
        "sort_query": true,
        "surrogate_keys": ["listings"],
    })
}

#[test]
fn tracking_parameters_go_and_the_rest_is_sorted() {
    let x = on_request(
        &listings(),
        TestExchange::get("/a?q=b&utm_source=x&gclid=1&category=c"),
    );
    assert_eq!(
        (x.path.as_str(), x.query.as_deref()),
        ("/a", Some("category=c&q=b"))
    );
    assert_eq!(x.cache.key_query, None, "the request itself is clean");
    let x = on_request(&listings(), TestExchange::get("/a?utm_source=x"));
    assert_eq!((x.path.as_str(), x.query.as_deref()), ("/a", None));
}

#[test]
fn the_upstream_sees_the_original_query_only_when_told() {
    let mut config = listings();
    config["forward_query"] = json!("original");
    let x = on_request(&config, TestExchange::get("/a?q=b&utm_source=x"));
    assert_eq!(x.query.as_deref(), Some("q=b&utm_source=x"));
    assert_eq!(x.cache.key_query, Some(Some("q=b".to_owned())));
    let x = on_request(&config, TestExchange::get("/a?utm_source=x"));
    assert_eq!(x.cache.key_query, Some(None));
}

#[test]
fn requests_that_change_something_keep_their_query() {
    for method in ["POST", "PUT", "OPTIONS"] {
        let x = on_request(&listings(), TestExchange::new(method, "/a?utm_source=x"));
        assert_eq!(x.query.as_deref(), Some("utm_source=x"), "{method}");
    }
    let x = on_request(&listings(), TestExchange::new("HEAD", "/a?utm_source=x"));
    assert_eq!(x.query, None);
}

#[test]
fn an_allow_list_keeps_nothing_else() {
    let config = json!({ "keep_query": ["w", "h"] });
    let x = on_request(&config, TestExchange::get("/a?w=1&x=2&h=3"));
    assert_eq!(x.query.as_deref(), Some("w=1&h=3"));
    let x = on_request(&json!({ "keep_query": [] }), TestExchange::get("/a?w=1"));
    assert_eq!(x.query, None);
}

#[test]
fn fields_and_cookies_become_parts_of_the_key() {
    let config = json!({ "key_headers": ["Accept-Language"], "key_cookies": ["currency", "none"] });
    let get = || TestExchange::get("/");
    let x = on_request(
        &config,
        get()
            .with_header("accept-language", "en")
            .with_header("cookie", "a=b; currency=EUR"),
    );
    assert_eq!(
        x.cache.key_parts,
        ["field accept-language=en\ncookie currency=EUR\ncookie none"]
    );
    let keys = [
        get(),
        get().with_header("accept-language", ""),
        get().with_header("accept-language", "en"),
        get()
            .with_header("accept-language", "en")
            .with_header("cookie", "currency=EUR"),
        get()
            .with_header("accept-language", "en")
            .with_header("cookie", "Currency=EUR"),
        get().with_header("cookie", "currency="),
    ]
    .map(|x| on_request(&config, x).cache.key_parts);
    assert_eq!(keys[2], keys[4], "names of cookies are exact");
    for (one, two) in [(0, 1), (0, 2), (1, 2), (2, 3), (0, 5), (3, 5)] {
        assert_ne!(keys[one], keys[two], "{one} {two}");
    }
    // HTTP/2 sends one line a cookie.
    let split = get()
        .with_header("cookie", "a=b")
        .with_header("cookie", "currency=EUR");
    assert!(on_request(&config, split).cache.key_parts[0].contains("currency=EUR"));
}

#[test]
fn a_key_that_is_too_long_passes_the_cache_by() {
    let config = json!({ "key_headers": ["x-a"] });
    let x = TestExchange::get("/").with_header("x-a", &"a".repeat(20_000));
    let x = on_request(&config, x);
    assert_eq!(x.cache.bypass.as_deref(), Some("key-too-long"));
    assert!(x.cache.key_parts.is_empty());
    let config = json!({ "drop_query": ["x"], "forward_query": "original" });
    let x = on_request(
        &config,
        TestExchange::get(&format!("/?x=1&a={}", "a".repeat(20_000))),
    );
    assert_eq!(x.cache.bypass.as_deref(), Some("key-too-long"));
}

#[test]
fn a_bypass_needs_all_of_an_entry_and_one_of_all_entries() {
    let config = json!({ "bypass": [
        { "cookies": ["session", "sid"], "reason": "session" },
        { "headers": ["x-preview"], "paths": ["/a/{*rest}"] },
        { "methods": ["PROPFIND"] },
    ] });
    let get = TestExchange::get;
    let cases = [
        (get("/"), None),
        (
            get("/").with_header("cookie", "a=1; sid=2"),
            Some("session"),
        ),
        (
            get("/").with_header("cookie", "session=; a=1"),
            Some("session"),
        ),
        (
            get("/").with_header("cookie", "xsession=1; a=session"),
            None,
        ),
        (get("/a/b").with_header("x-preview", ""), Some("policy")),
        (get("/b").with_header("x-preview", "1"), None),
        (get("/a/b"), None),
        (TestExchange::new("PROPFIND", "/"), Some("policy")),
    ];
    for (x, expected) in cases {
        let x = on_request(&config, x);
        assert_eq!(x.cache.bypass.as_deref(), expected, "{x:?}");
    }
}

#[test]
fn lifetimes_are_for_successes_unless_a_rule_says_otherwise() {
    let config = json!({
        "ttl": "1m",
        "stale_while_revalidate": "2m",
        "stale_if_error": "1d",
        "rules": [
            { "paths": ["/static/{*rest}"], "ttl": "30d", "stale_while_revalidate": "0s" },
            { "status": [404, 410], "ttl": "5s" },
            { "methods": ["GET"], "paths": ["/static/{*rest}", "/x"], "ttl": "7s" },
        ],
    });
    let said = |path: &str, status: u16| {
        let cache = on_upstream(&config, TestExchange::get(path), status).cache;
        (
            cache.ttl,
            cache.stale_while_revalidate,
            cache.stale_if_error,
        )
    };
    assert_eq!(said("/", 200), (Some(60), Some(120), Some(86_400)));
    assert_eq!(
        said("/", 304),
        (Some(60), Some(120), Some(86_400)),
        "renews a stored 200"
    );
    assert_eq!(
        said("/static/a", 200),
        (Some(2_592_000), Some(0), Some(86_400))
    );
    assert_eq!(said("/static/a", 404), (Some(5), None, None));
    assert_eq!(said("/x", 200), (Some(7), Some(120), Some(86_400)));
    assert_eq!(said("/", 410), (Some(5), None, None));
    for status in [302, 400, 401, 403, 429, 500, 502, 503] {
        assert_eq!(said("/", status), (None, None, None), "{status}");
    }
}

#[test]
fn surrogate_keys_add_up_and_take_parameters() {
    let config = json!({
        "surrogate_keys": ["listings"],
        "rules": [
            { "paths": ["/l/{id}", "/l/{id}/images"], "surrogate_keys": ["listing-{id}", "one"] },
            { "status": [404], "surrogate_keys": ["missing"] },
        ],
    });
    let keys = |path: &str, status: u16| {
        on_upstream(&config, TestExchange::get(path), status)
            .cache
            .surrogate_keys
    };
    assert_eq!(keys("/l", 200), ["listings"]);
    assert_eq!(keys("/l/7", 200), ["listings", "listing-7", "one"]);
    assert_eq!(keys("/l/%37/images", 200), ["listings", "listing-7", "one"]);
    assert_eq!(
        keys("/l/7", 404),
        ["listings", "listing-7", "one", "missing"]
    );
    let long = format!("/l/{}", "x".repeat(300));
    assert_eq!(
        keys(&long, 200),
        ["listings", "one"],
        "what is no legal key is left out"
    );
}

#[test]
fn only_the_phases_that_are_needed_are_asked_for() {
    let both = Phases::REQUEST.and(Phases::UPSTREAM);
    let cases = [
        (json!({}), Phases::default()),
        (json!({ "sort_query": true }), Phases::REQUEST),
        (json!({ "keep_query": [] }), Phases::REQUEST),
        (json!({ "key_headers": ["a"] }), Phases::REQUEST),
        (json!({ "bypass": [{ "headers": ["a"] }] }), Phases::REQUEST),
        (json!({ "ttl": "1s" }), Phases::UPSTREAM),
        (json!({ "surrogate_keys": ["a"] }), Phases::UPSTREAM),
        (json!({ "rules": [{ "ttl": "1s" }] }), Phases::UPSTREAM),
        (listings(), both),
    ];
    for (config, expected) in cases {
        assert_eq!(phases(&config), expected, "{config}");
    }
}

/// What the policy costs on a node: every accessor is a call from the guest to its host.
#[test]
fn the_common_cases_need_few_calls() {
    assert_eq!(
        on_request(&listings(), TestExchange::get("/a")).calls(),
        ["query"]
    );
    assert_eq!(
        on_request(&listings(), TestExchange::get("/a?q=b")).calls(),
        ["query"]
    );
    assert_eq!(
        on_request(&listings(), TestExchange::get("/a?q=b&utm_source=x")).calls(),
        ["query", "method", "path", "set-path-and-query"]
    );
    let stored = on_upstream(&listings(), TestExchange::get("/a"), 200);
    assert_eq!(stored.calls(), ["add-surrogate-keys"]);
}

#[test]
fn mistakes_are_named() {
    let cases = [
        (json!({ "drop_querry": [] }), "drop_querry: unknown field"),
        (json!({ "drop_query": [""] }), "drop_query[0]: "),
        (
            json!({ "drop_query": ["a"], "keep_query": ["b"] }),
            "drop_query and keep_query",
        ),
        (json!({ "sort_query": "yes" }), "sort_query: invalid type"),
        (
            json!({ "forward_query": "both" }),
            "forward_query: unknown variant",
        ),
        (json!({ "key_headers": ["a b"] }), "key_headers: \"a b\""),
        (
            json!({ "key_headers": ["Connection"] }),
            "key_headers: \"Connection\"",
        ),
        (
            json!({ "key_headers": ["Cookie"] }),
            "key_headers: cookie: ",
        ),
        (
            json!({ "key_headers": ["authorization"] }),
            "key_headers: authorization: ",
        ),
        (json!({ "key_cookies": ["a;b"] }), "key_cookies: \"a;b\""),
        (
            json!({ "key_cookies": vec!["a"; 17] }),
            "key_cookies: must not hold more",
        ),
        (json!({ "ttl": 30 }), "ttl: invalid type"),
        (json!({ "ttl": "1.5s" }), "ttl: \"1.5s\" is not a duration"),
        (
            json!({ "stale_if_error": "10ms" }),
            "stale_if_error: \"10ms\" is not whole seconds",
        ),
        (json!({ "surrogate_keys": ["a b"] }), "surrogate_keys[0]: "),
        (
            json!({ "surrogate_keys": ["a", "l-{id}"] }),
            "surrogate_keys[1]: \"l-{id}\" names a parameter",
        ),
        (json!({ "rules": [{}] }), "rules[0]: says nothing"),
        (
            json!({ "rules": [{ "ttl": "1s", "status": [99] }] }),
            "rules[0].status: ",
        ),
        (
            json!({ "rules": [{ "ttl": "1s", "status": [] }] }),
            "rules[0].status: ",
        ),
        (
            json!({ "rules": [{ "ttl": "1s", "paths": [] }] }),
            "rules[0].paths: ",
        ),
        (
            json!({ "rules": [{ "ttl": "1s", "path": "/" }] }),
            "rules[0].path: unknown field",
        ),
        (
            json!({ "rules": [{ "paths": ["/{a}"], "surrogate_keys": ["x", "{b}"] }] }),
            "rules[0].surrogate_keys[1]: \"{b}\" names {b}, which /{a} does not have",
        ),
        (json!({ "bypass": [{}] }), "bypass[0]: names no condition"),
        (
            json!({ "bypass": [{ "cookies": [] }] }),
            "bypass[0].cookies: ",
        ),
        (
            json!({ "bypass": [{ "headers": ["a b"] }] }),
            "bypass[0].headers: \"a b\"",
        ),
        (
            json!({ "bypass": [{ "headers": ["a"], "reason": "a b" }] }),
            "bypass[0].reason: ",
        ),
        (
            json!({ "bypass": [{ "cookie": "a" }] }),
            "bypass[0].cookie: unknown field",
        ),
    ];
    for (config, words) in cases {
        let error = Cache::configure(&config.to_string())
            .expect_err(words)
            .to_string();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
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
    for stage in stages.filter(|stage| stage["filter"] == "cache") {
        Cache::configure(&stage["config"].to_string()).unwrap();
        found += 1;
    }
    assert!(found > 0);
}

proptest! {
    /// Cleaning twice is cleaning once, nothing that is kept is changed, nothing panics.
    #[test]
    fn cleaning_is_stable(query in "[a-cu%_=&+0-9]{0,40}") {
        let config = json!({ "drop_query": ["u*"], "sort_query": true });
        let x = on_request(&config, TestExchange::get(&format!("/?{query}")));
        let once = x.query.unwrap_or_default();
        let again = on_request(&config, TestExchange::get(&format!("/?{once}")));
        prop_assert_eq!(again.query.unwrap_or_default(), once.clone());
        let mut kept: Vec<&str> = query.split('&').filter(|p| !p.is_empty()).collect();
        let params: Vec<&str> = once.split('&').filter(|p| !p.is_empty()).collect();
        kept.retain(|param| params.contains(param));
        prop_assert_eq!(kept.len(), params.len());
    }

    /// Two requests that differ in a part of the key never share it.
    #[test]
    fn key_parts_never_collide(a in "[ -~]{0,40}", b in "[ -~]{0,40}", c in "[ -~]{0,40}") {
        let config = json!({ "key_headers": ["x-a", "x-b"] });
        let key = |one: &str, two: &str| {
            let x = TestExchange::get("/").with_header("x-a", one).with_header("x-b", two);
            on_request(&config, x).cache.key_parts
        };
        prop_assert_eq!(key(&a, &b) == key(&a, &c), b == c);
        prop_assert_eq!(key(&a, &b) == key(&c, &b), a == c);
    }
}
