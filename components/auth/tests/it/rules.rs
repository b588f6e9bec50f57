//! Which requests need a token, and which scopes; and what the answers look like.

use serde_json::{Value, json};
use zephyr_component_auth::Auth;
use zephyr_edge_core::testing::{TestExchange, TestHost};

use crate::kit::{Signer, ask, auth, claims, claims_with, host, jwks};

fn signer() -> Signer {
    Signer::ed25519(1)
}

/// As the route `listings` of `zephyr.toml`.
fn listings() -> Auth {
    auth(&json!({
        "jwks": jwks(&[signer().jwk("k")]),
        "public": [{ "methods": ["GET", "HEAD", "OPTIONS"] }],
        "scopes": [{ "methods": ["POST", "PATCH", "PUT", "DELETE"], "scopes": ["listings:write"] }],
    }))
}

fn request(method: &str, path: &str, authorization: Option<&str>) -> TestExchange {
    let x = TestExchange::new(method, path);
    match authorization {
        Some(value) => x.with_header("Authorization", value),
        None => x,
    }
}

fn bearer(claims: &Value) -> String {
    format!("Bearer {}", signer().sign("k", claims))
}

#[track_caller]
fn status(auth: &Auth, host: &TestHost, mut x: TestExchange) -> u16 {
    ask(auth, host, &mut x).map_or(200, |reply| reply.status)
}

#[test]
fn public_requests_need_no_token_and_others_do() {
    let (auth, host) = (listings(), host());
    for (method, expected) in [
        ("GET", 200),
        ("HEAD", 200),
        ("POST", 401),
        ("get", 401),
        ("BREW", 401),
    ] {
        assert_eq!(
            status(&auth, &host, request(method, "/", None)),
            expected,
            "{method}"
        );
    }
    let reply = ask(&auth, &host, &mut request("POST", "/", None)).unwrap();
    assert_eq!(
        reply.header("www-authenticate"),
        Some("Bearer realm=\"zephyr\"")
    );
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["status"], 401);
    assert_eq!(body["title"], "Unauthorized");
    assert_eq!(body["request_id"], TestExchange::get("/").request_id);
}

#[test]
fn a_bad_token_is_refused_where_none_is_needed() {
    let (auth, host) = (listings(), host());
    let expired = bearer(&claims_with(&json!({ "exp": 1 })));
    assert_eq!(
        status(&auth, &host, request("GET", "/", Some(&expired))),
        401
    );
    let mut x = request("GET", "/", Some(&bearer(&claims())));
    assert_eq!(ask(&auth, &host, &mut x), None);
    assert_eq!(x.forwarded("x-zephyr-subject"), Some("user-1"));
}

#[test]
fn another_scheme_counts_as_none() {
    let (auth, host) = (listings(), host());
    for value in [
        "Basic dXNlcjpwYXNz",
        "Bearerx abc",
        "",
        "Digest a=\"b\", c=\"d\"",
    ] {
        let mut x = request("GET", "/", Some(value));
        assert_eq!(ask(&auth, &host, &mut x), None, "{value:?}");
        assert_eq!(
            x.forwarded("authorization"),
            Some(value),
            "the origin may know it"
        );
        let reply = ask(&auth, &host, &mut request("POST", "/", Some(value))).unwrap();
        assert_eq!(reply.status, 401);
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Bearer realm=\"zephyr\"")
        );
    }
}

#[test]
fn malformed_credentials_are_an_invalid_request() {
    let (auth, host) = (listings(), host());
    let token = bearer(&claims());
    let twice = format!("{token}, {token}");
    let cases = [
        "Bearer",
        "Bearer ",
        "bearer \t",
        "Bearer a b",
        "Bearer a,b",
        "Bearer, x",
        &twice,
        "Bearer ä",
    ];
    for value in cases {
        for method in ["GET", "POST"] {
            let reply = ask(&auth, &host, &mut request(method, "/", Some(value))).unwrap();
            assert_eq!(reply.status, 400, "{value:?}");
            let expected = "Bearer realm=\"zephyr\", error=\"invalid_request\"";
            assert_eq!(reply.header("www-authenticate"), Some(expected));
        }
    }
    // Two lines are joined, so they are two tokens.
    let x = request("GET", "/", Some(&token)).with_header("authorization", &token);
    assert_eq!(status(&auth, &host, x), 400);
    for value in [
        token.replace("Bearer", "bEARER"),
        token.replace(' ', "   "),
        format!(" {token} "),
    ] {
        assert_eq!(
            status(&auth, &host, request("GET", "/", Some(&value))),
            200,
            "{value:?}"
        );
    }
}

#[test]
fn a_missing_scope_is_named() {
    let (auth, host) = (listings(), host());
    for scope in [
        "",
        "listings:read",
        "listings:writer xlistings:write",
        "LISTINGS:WRITE",
    ] {
        let token = bearer(&claims_with(&json!({ "scope": scope })));
        let reply = ask(&auth, &host, &mut request("POST", "/", Some(&token))).unwrap();
        assert_eq!(reply.status, 403, "{scope:?}");
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Bearer realm=\"zephyr\", error=\"insufficient_scope\", scope=\"listings:write\"")
        );
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert!(body["detail"].as_str().unwrap().contains("listings:write"));
        assert_eq!(status(&auth, &host, request("GET", "/", Some(&token))), 200);
    }
    assert_eq!(
        status(&auth, &host, request("POST", "/", Some(&bearer(&claims())))),
        200
    );
}

#[test]
fn every_rule_that_matches_must_be_met() {
    let (host, token) = (host(), bearer(&claims_with(&json!({ "scope": "a" }))));
    let auth = auth(&json!({
        "jwks": jwks(&[signer().jwk("k")]),
        "public": [{ "methods": ["GET"], "paths": ["/a/open/{*rest}"] }],
        "scopes": [
            { "paths": ["/a/{*rest}"], "scopes": ["a"] },
            { "paths": ["/a/b/{*rest}", "/c"], "scopes": ["a", "b"] },
        ],
    }));
    let cases = [
        ("GET", "/a/x", 200),
        ("GET", "/a/b/x", 403),
        ("GET", "/a/%62/x", 403),
        ("GET", "/c", 403),
        ("GET", "/elsewhere", 200),
    ];
    for (method, path, expected) in cases {
        assert_eq!(
            status(&auth, &host, request(method, path, Some(&token))),
            expected,
            "{path}"
        );
    }
    assert_eq!(status(&auth, &host, request("GET", "/a/open/x", None)), 200);
    assert_eq!(
        status(&auth, &host, request("POST", "/a/open/x", None)),
        401
    );
    let other = bearer(&claims_with(&json!({ "scope": "none" })));
    assert_eq!(
        status(&auth, &host, request("GET", "/a/open/x", Some(&other))),
        200,
        "what is public needs no scope"
    );
}

#[test]
fn a_path_that_can_be_read_in_two_ways_is_refused() {
    let host = host();
    let auth_with_paths = auth(&json!({
        "jwks": jwks(&[signer().jwk("k")]),
        "public": [{ "paths": ["/open/{*rest}"] }],
    }));
    for path in [
        "/open/../private",
        "/open/%2e%2e/private",
        "/open/..%2fprivate",
        "/./open/x",
    ] {
        let reply = ask(&auth_with_paths, &host, &mut request("GET", path, None)).unwrap();
        assert_eq!(reply.status, 400, "{path}");
        assert_eq!(reply.header("www-authenticate"), None);
    }
    assert_eq!(
        status(&listings(), &host, request("GET", "/a/../b", None)),
        200,
        "no paths in rules"
    );
}

/// What the policy costs on a node: every accessor is a call from the guest to its host.
#[test]
fn the_common_cases_need_few_calls() {
    let (auth, host) = (listings(), host());
    let mut anonymous = request("GET", "/", None);
    ask(&auth, &host, &mut anonymous);
    assert_eq!(anonymous.calls(), ["header", "method"]);
    assert!(host.calls().is_empty());

    let token = bearer(&claims());
    ask(&auth, &host, &mut request("POST", "/", Some(&token)));
    assert_eq!(host.calls(), ["now", "signatures.verify"]);
    host.forget_calls();
    let mut known = request("POST", "/", Some(&token));
    ask(&auth, &host, &mut known);
    assert_eq!(
        known.calls(),
        ["header", "method", "set-header", "set-header"]
    );
    assert_eq!(host.calls(), ["now"]);
}
