//! What a configuration may say.

use serde_json::{Value, json};
use zephyr_component_auth::Auth;
use zephyr_edge_core::Filter;

use crate::kit::{Signer, jwks, try_auth};

#[test]
fn mistakes_are_named() {
    let ed = Signer::ed25519(1).jwk("k");
    let mut private = ed.clone();
    private["d"] = json!("AAAA");
    let cases = [
        (json!({}), "exactly one of jwks and jwks_kv"),
        (
            json!({ "jwks_kv": "a", "jwks": jwks(std::slice::from_ref(&ed)) }),
            "exactly one of jwks and jwks_kv",
        ),
        (json!({ "jwks_kv": "" }), "jwks_kv: "),
        (
            json!({ "jwks_kv": "a", "jwks_refresh": "10ms" }),
            "jwks_refresh: ",
        ),
        (
            json!({ "jwks_kv": "a", "jwks_refresh": "soon" }),
            "jwks_refresh: \"soon\"",
        ),
        (json!({ "jwks_kv": "a", "leeway": "1h" }), "leeway: "),
        (
            json!({ "jwks_kv": "a", "max_token_bytes": 1 }),
            "max_token_bytes: ",
        ),
        (json!({ "jwks_kv": "a", "remember": 5000 }), "remember: "),
        (json!({ "jwks_kv": "a", "realm": "a\"b" }), "realm: "),
        (json!({ "jwks_kv": "a", "issuer": "" }), "issuer: "),
        (json!({ "jwks_kv": "a", "audience": [] }), "audience: "),
        (
            json!({ "jwks_kv": "a", "audience": 7 }),
            "audience: a text or a list",
        ),
        (json!({ "jwks_kv": "a", "algorithms": [] }), "algorithms: "),
        (
            json!({ "jwks_kv": "a", "algorithms": ["none"] }),
            "algorithms[0]: unknown variant `none`",
        ),
        (
            json!({ "jwks_kv": "a", "jwksKv": "a" }),
            "jwksKv: unknown field",
        ),
        (
            json!({ "jwks_kv": "a", "public": [{ "method": ["GET"] }] }),
            "public[0].method: unknown",
        ),
        (
            json!({ "jwks_kv": "a", "public": [{ "paths": ["x"] }] }),
            "public[0].paths[0]: path pattern",
        ),
        (
            json!({ "jwks_kv": "a", "public": [{ "paths": [] }] }),
            "paths: must name",
        ),
        (
            json!({ "jwks_kv": "a", "scopes": [{}] }),
            "scopes[0]: missing field `scopes`",
        ),
        (
            json!({ "jwks_kv": "a", "scopes": [{ "scopes": [] }] }),
            "scopes[0].scopes: ",
        ),
        (
            json!({ "jwks_kv": "a", "scopes": [{ "scopes": ["a b"] }] }),
            "scopes[0].scopes: ",
        ),
        (json!({ "jwks": { "keys": [] } }), "jwks.keys: must hold"),
        (
            json!({ "jwks": jwks(&[ed.clone(), ed.clone()]) }),
            "jwks.keys: two keys",
        ),
        (
            json!({ "jwks": jwks(&[private]) }),
            "jwks.keys[0]: it holds a private key",
        ),
        (
            json!({ "jwks": jwks(&[Signer::secret(1).jwk("s")]) }),
            "jwks.keys[0]: its algorithm",
        ),
        (
            json!({ "jwks": jwks(&[json!({ "kty": "RSA" })]) }),
            "jwks.keys[0]: its `kty`",
        ),
        (
            json!({ "jwks": jwks(&[json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" })]) }),
            "32 bytes",
        ),
        (
            json!({ "jwks": jwks(&[json!({ "kty": "oct", "k": "c2hvcnQ" })]), "algorithms": ["HS256"] }),
            "32 to 1024",
        ),
    ];
    for (config, words) in cases {
        let error = try_auth(&config).expect_err(words);
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
    let error = Auth::configure(r#"{"audience":"a","jwks_kv":"a"}"#).unwrap_err();
    assert_eq!(error.to_string(), "missing field `issuer`");
}

#[test]
fn the_shipped_configuration_is_taken() {
    let node: Value = toml::from_str(include_str!("../../../../zephyr.toml")).unwrap();
    let routes = node["routes"].as_array().unwrap();
    let stages = routes
        .iter()
        .flat_map(|route| route["stages"].as_array().into_iter().flatten());
    let mut found = 0;
    for stage in stages.filter(|stage| stage["filter"] == "auth") {
        Auth::configure(&stage["config"].to_string()).unwrap();
        found += 1;
    }
    assert!(found > 0);
}
