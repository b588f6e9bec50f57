//! Keys from KV: rotation, failures, and how often the store is asked.

use std::time::Duration;

use serde_json::{Value, json};
use zephyr_component_auth::Auth;
use zephyr_edge_core::testing::TestHost;

use crate::kit::{Signer, assert_invalid, auth, claims, host, jwks, outcome};

const KEY: &str = "site/jwks";

fn from_kv() -> Auth {
    auth(&json!({ "jwks_kv": KEY, "jwks_refresh": "60s" }))
}

fn put(host: &TestHost, keys: &Value) {
    host.put(KEY, keys.to_string().as_bytes());
}

fn reads(host: &TestHost) -> usize {
    host.calls()
        .iter()
        .filter(|call| **call == "kv.get")
        .count()
}

#[test]
fn the_store_is_read_once_per_refresh() {
    let (auth, host, signer) = (from_kv(), host(), Signer::ed25519(1));
    put(&host, &jwks(&[signer.jwk("1")]));
    let token = signer.sign("1", &claims());
    for _ in 0..10 {
        assert!(outcome(&auth, &host, &token).is_ok());
        host.advance(Duration::from_secs(5));
    }
    assert_eq!(reads(&host), 1);
    host.advance(Duration::from_secs(10));
    assert!(outcome(&auth, &host, &token).is_ok());
    assert_eq!(reads(&host), 2);
    assert_eq!(
        host.calls()
            .iter()
            .filter(|call| **call == "signatures.verify")
            .count(),
        1,
        "the same keys: what was verified stays so"
    );
}

#[test]
fn a_new_key_is_found_at_once_and_unknown_ones_do_not_hammer_the_store() {
    let (auth, host) = (from_kv(), host());
    let (old, new) = (Signer::ed25519(1), Signer::p256());
    put(&host, &jwks(&[old.jwk("old")]));
    assert!(outcome(&auth, &host, &old.sign("old", &claims())).is_ok());
    put(&host, &jwks(&[old.jwk("old"), new.jwk("new")]));
    let token = new.sign("new", &claims());
    assert_invalid(&auth, &host, &token, "key is not known");
    host.advance(Duration::from_secs(1));
    assert!(outcome(&auth, &host, &token).is_ok());
    assert_eq!(reads(&host), 2);
    for n in 0..50 {
        assert_invalid(
            &auth,
            &host,
            &old.sign(&format!("x{n}"), &claims()),
            "key is not known",
        );
    }
    assert_eq!(reads(&host), 2);
}

#[test]
fn a_key_that_is_gone_is_gone_for_remembered_tokens_too() {
    let (auth, host) = (from_kv(), host());
    let (old, new) = (Signer::ed25519(1), Signer::ed25519(2));
    put(&host, &jwks(&[old.jwk("old")]));
    let token = old.sign("old", &claims());
    assert!(outcome(&auth, &host, &token).is_ok());
    put(&host, &jwks(&[new.jwk("new")]));
    assert!(
        outcome(&auth, &host, &token).is_ok(),
        "until it is read again"
    );
    host.advance(Duration::from_secs(60));
    assert_invalid(&auth, &host, &token, "key is not known");
    // The same name for another key.
    put(&host, &jwks(&[new.jwk("old")]));
    host.advance(Duration::from_secs(60));
    assert_invalid(&auth, &host, &token, "signature is wrong");
}

#[test]
fn without_keys_a_token_is_neither_good_nor_bad() {
    let (auth, host, signer) = (from_kv(), host(), Signer::ed25519(1));
    let token = signer.sign("1", &claims());
    assert_eq!(outcome(&auth, &host, &token), Err((503, String::new())));
    assert_eq!(outcome(&auth, &host, &token), Err((503, String::new())));
    assert_eq!(reads(&host), 1, "not on every request");
    assert_eq!(host.lines().len(), 1, "said once");
    put(&host, &jwks(&[signer.jwk("1")]));
    host.advance(Duration::from_secs(1));
    assert!(
        outcome(&auth, &host, &token).is_ok(),
        "a second later, not a refresh later"
    );
}

#[test]
fn deleting_the_set_revokes_every_token() {
    let (auth, host, signer) = (from_kv(), host(), Signer::ed25519(1));
    put(&host, &jwks(&[signer.jwk("1")]));
    let token = signer.sign("1", &claims());
    assert!(outcome(&auth, &host, &token).is_ok());
    host.remove(KEY);
    host.advance(Duration::from_secs(60));
    assert_eq!(outcome(&auth, &host, &token), Err((503, String::new())));
    put(&host, &jwks(&[signer.jwk("1")]));
    host.advance(Duration::from_secs(1));
    assert!(outcome(&auth, &host, &token).is_ok());
}

#[test]
fn the_last_good_keys_stay_in_force() {
    let (auth, host, signer) = (from_kv(), host(), Signer::ed25519(1));
    put(&host, &jwks(&[signer.jwk("1")]));
    let token = signer.sign("1", &claims());
    assert!(outcome(&auth, &host, &token).is_ok());
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(70_000));
    let same = jwks(&[signer.jwk("1"), Signer::ed25519(2).jwk("1")]).to_string();
    for bad in [
        "",
        "garbage",
        "[]",
        "{\"keys\": 1}",
        "{\"keys\": [{\"kty\": \"RSA\"}]}",
        &huge,
        &same,
    ] {
        host.put(KEY, bad.as_bytes());
        host.advance(Duration::from_secs(60));
        assert!(outcome(&auth, &host, &token).is_ok(), "{bad:.40}");
    }
    assert!(host.lines().iter().all(|(_, line)| line.contains(KEY)));
    assert_eq!(host.lines().len(), 7, "each bad set is said once");
    host.set_unavailable(true);
    host.advance(Duration::from_secs(60));
    assert!(outcome(&auth, &host, &token).is_ok());
}

#[test]
fn keys_that_are_for_something_else_are_passed_over() {
    let (auth, host, signer) = (from_kv(), host(), Signer::ed25519(1));
    let mut encrypts = Signer::ed25519(2).jwk("enc");
    encrypts["use"] = json!("enc");
    let mut signs = Signer::ed25519(3).jwk("ops");
    signs["key_ops"] = json!(["sign"]);
    let mut private = Signer::ed25519(4).jwk("private");
    private["d"] = json!("AAAA");
    let mut mismatched = Signer::ed25519(5).jwk("alg");
    mismatched["alg"] = json!("ES256");
    let secret = Signer::secret(1);
    let keys = [
        encrypts,
        signs,
        private,
        mismatched,
        secret.jwk("secret"),
        json!(7),
        json!({}),
        signer.jwk("1"),
    ];
    put(&host, &jwks(&keys));
    assert!(outcome(&auth, &host, &signer.sign("1", &claims())).is_ok());
    for (kid, seed) in [("enc", 2), ("ops", 3), ("private", 4), ("alg", 5)] {
        let token = Signer::ed25519(seed).sign(kid, &claims());
        assert_invalid(&auth, &host, &token, "key is not known");
    }
    // HS256 only when it was asked for.
    assert_invalid(
        &auth,
        &host,
        &secret.sign("secret", &claims()),
        "key is not known",
    );
}

#[test]
fn a_clock_set_back_does_not_stop_the_reading() {
    let (auth, host, signer) = (from_kv(), host(), Signer::ed25519(1));
    put(&host, &jwks(&[signer.jwk("1")]));
    let token = signer.sign("1", &claims());
    assert!(outcome(&auth, &host, &token).is_ok());
    host.set_now(Duration::from_secs(1_767_225_600 - 100_000));
    assert!(outcome(&auth, &host, &token).is_ok());
    assert_eq!(reads(&host), 2);
}
