//! Which tokens are good.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kit::{
    NOW, Signer, ask, assert_invalid, auth, b64, claims, claims_with, host, jwks, outcome,
    with_token,
};

#[test]
fn every_algorithm_verifies_with_its_key() {
    for signer in [Signer::ed25519(1), Signer::p256(), Signer::secret(7)] {
        let algorithms = ["EdDSA", "ES256", "HS256"];
        let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]), "algorithms": algorithms }));
        let token = signer.sign("k", &claims());
        assert_eq!(
            outcome(&auth, &host(), &token).as_deref(),
            Ok("user-1"),
            "{}",
            signer.alg()
        );
    }
}

#[test]
fn a_good_token_tells_later_filters_who_it_is_and_is_forwarded() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
    let token = signer.sign("k", &claims());
    let mut x = with_token(&token);
    assert_eq!(ask(&auth, &host(), &mut x), None);
    assert_eq!(x.forwarded("x-zephyr-subject"), Some("user-1"));
    assert_eq!(x.forwarded("x-zephyr-scope"), Some("listings:write other"));
    assert_eq!(
        x.forwarded("authorization"),
        Some(format!("Bearer {token}").as_str())
    );

    let mut x = with_token(&signer.sign("k", &claims_with(&json!({ "scope": null }))));
    assert_eq!(ask(&auth, &host(), &mut x), None);
    assert_eq!(x.forwarded("x-zephyr-scope"), None);
}

#[test]
fn a_token_of_another_key_or_a_changed_one_is_refused() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
    let host = host();
    assert_invalid(
        &auth,
        &host,
        &Signer::ed25519(2).sign("k", &claims()),
        "signature is wrong",
    );
    let token = signer.sign("k", &claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other = b64(claims_with(&json!({ "sub": "admin" })).to_string());
    assert_invalid(
        &auth,
        &host,
        &format!("{header}.{other}.{signature}"),
        "signature is wrong",
    );
    assert_eq!(outcome(&auth, &host, &token).as_deref(), Ok("user-1"));
}

#[test]
fn algorithm_confusion_is_refused() {
    let ed = Signer::ed25519(1);
    let p256 = Signer::p256();
    let keys = jwks(&[ed.jwk("ed"), p256.jwk("ec")]);
    let auth = auth(&json!({ "jwks": keys, "algorithms": ["EdDSA", "ES256", "HS256"] }));
    let host = host();
    // The classic: the public key, which everybody knows, as the secret of an HMAC.
    for (kid, public) in [("ed", ed.public()), ("ec", p256.public())] {
        let forged = Signer::Hs256(public).sign(kid, &claims());
        assert_invalid(&auth, &host, &forged, "not that of its key");
    }
    assert_invalid(
        &auth,
        &host,
        &p256.sign("ed", &claims()),
        "not that of its key",
    );
    assert_invalid(
        &auth,
        &host,
        &ed.sign("ec", &claims()),
        "not that of its key",
    );
    assert!(
        !host.calls().contains(&"signatures.verify"),
        "never gets as far as a key"
    );
}

#[test]
fn none_and_unknown_algorithms_are_refused() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
    let host = host();
    for alg in [
        "none", "None", "NONE", "", "eddsa", "RS256", "ES384", "HS512", "Ed448",
    ] {
        let header = json!({ "alg": alg, "kid": "k" }).to_string();
        let words = "algorithm is not supported";
        assert_invalid(
            &auth,
            &host,
            &signer.sign_raw(&header, &claims().to_string()),
            words,
        );
        let unsigned = format!("{}.{}.", b64(&header), b64(claims().to_string()));
        assert_invalid(&auth, &host, &unsigned, words);
    }
    let without = signer.sign_raw(r#"{"kid":"k"}"#, &claims().to_string());
    assert_invalid(&auth, &host, &without, "algorithm is not supported");
    let hs256 = Signer::secret(1).sign("k", &claims());
    assert_invalid(&auth, &host, &hs256, "not that of its key");
}

#[test]
fn the_new_name_of_eddsa_is_known() {
    let signer = Signer::ed25519(1);
    let mut jwk = signer.jwk("k");
    jwk["alg"] = json!("Ed25519");
    let auth = auth(&json!({ "jwks": jwks(&[jwk]) }));
    let token = signer.sign_raw(r#"{"alg":"Ed25519","kid":"k"}"#, &claims().to_string());
    assert_eq!(outcome(&auth, &host(), &token).as_deref(), Ok("user-1"));
}

#[test]
fn headers_are_read_strictly() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
    let host = host();
    let sign = |header: &str| signer.sign_raw(header, &claims().to_string());
    let refused = [
        (r#"{"alg":"EdDSA","kid":"k","crit":["exp"]}"#, "extension"),
        (r#"{"alg":"EdDSA","kid":"k","crit":[]}"#, "extension"),
        (r#"{"alg":"EdDSA","kid":"k","typ":"dpop+jwt"}"#, "type"),
        (r#"{"alg":"EdDSA","kid":"k","typ":"logout+jwt"}"#, "type"),
        (r#"{"alg":"EdDSA","kid":"other"}"#, "key is not known"),
        (r#"{"alg":"EdDSA","kid":""}"#, "key is not known"),
        (r#"{"alg":"EdDSA","kid":7}"#, "header cannot be read"),
        (
            r#"{"alg":"none","alg":"EdDSA","kid":"k"}"#,
            "header cannot be read",
        ),
        (
            r#"{"alg":"EdDSA","kid":"k","x":1,"x":2}"#,
            "header cannot be read",
        ),
        (r#"{"alg":"EdDSA","kid":"k"} {}"#, "header cannot be read"),
        (r#"["EdDSA"]"#, "header cannot be read"),
        ("", "header cannot be read"),
    ];
    for (header, words) in refused {
        assert_invalid(&auth, &host, &sign(header), words);
    }
    let taken = [
        r#"{"alg":"EdDSA","kid":"k"}"#,
        r#"{"alg":"EdDSA","kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"EdDSA","kid":"k","typ":"application/AT+JWT"}"#,
        r#"{"alg":"EdDSA","kid":"k","typ":"jwt","jku":"https://evil.test/","jwk":{"kty":"OKP"}}"#,
        // The only key there is needs no name.
        r#"{"alg":"EdDSA"}"#,
    ];
    for header in taken {
        assert_eq!(
            outcome(&auth, &host, &sign(header)).as_deref(),
            Ok("user-1"),
            "{header}"
        );
    }
}

#[test]
fn without_a_kid_there_must_be_one_key() {
    let (one, two) = (Signer::ed25519(1), Signer::ed25519(2));
    let auth = auth(&json!({ "jwks": jwks(&[one.jwk("1"), two.jwk("2")]) }));
    let token = one.sign_raw(r#"{"alg":"EdDSA"}"#, &claims().to_string());
    assert_invalid(&auth, &host(), &token, "does not say which key");
}

#[test]
fn parts_and_encoding_are_exact() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
    let host = host();
    let good = signer.sign("k", &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        unreachable!()
    };
    let bad = [
        (format!("{header}.{payload}"), "three parts"),
        (format!("{good}."), "three parts"),
        (format!("{good}.{signature}"), "three parts"),
        ("a".to_owned(), "three parts"),
        ("..".to_owned(), "header cannot be read"),
        (
            format!("{header}=.{payload}.{signature}"),
            "header cannot be read",
        ),
        (
            format!("{header}.{payload}.{signature}=="),
            "signature does not have its form",
        ),
        (
            format!("{header}.{payload}."),
            "signature does not have its form",
        ),
        (
            format!("{header}.{payload}.{}", &signature[4..]),
            "signature does not have its form",
        ),
        (
            format!("{header}.{payload}.{signature}AAAA"),
            "signature does not have its form",
        ),
        (
            format!("{header}.{payload}/.{signature}"),
            "signature is wrong",
        ),
    ];
    for (token, words) in bad {
        assert_invalid(&auth, &host, &token, words);
    }
    // 64 bytes are 86 characters, of which the last carries four bits that must be zero: another
    // spelling of a good signature is not a good token.
    let mut spelled = good.clone();
    spelled.pop();
    let last = good.chars().last().unwrap();
    for other in ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .filter(|c| *c != last)
    {
        assert!(outcome(&auth, &host, &format!("{spelled}{other}")).is_err());
    }
}

#[test]
fn long_tokens_are_refused_before_they_are_read() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
    let host = host();
    let fits = signer.sign("k", &claims_with(&json!({ "pad": "x".repeat(5000) })));
    assert_eq!(outcome(&auth, &host, &fits).as_deref(), Ok("user-1"));
    host.forget_calls();
    let long = signer.sign("k", &claims_with(&json!({ "pad": "x".repeat(8192) })));
    assert_invalid(&auth, &host, &long, "too long");
    assert_invalid(&auth, &host, &"x".repeat(1 << 20), "too long");
    assert!(host.calls().is_empty());
}

#[test]
fn issuer_and_audience_must_be_ours() {
    let signer = Signer::ed25519(1);
    let keys = jwks(&[signer.jwk("k")]);
    let auth =
        auth(&json!({ "jwks": keys, "issuer": ["zephyr", "b"], "audience": ["zephyr", "c"] }));
    let host = host();
    let cases = [
        (json!({ "iss": "other" }), Some("another issuer")),
        (json!({ "iss": null }), Some("another issuer")),
        (json!({ "iss": ["zephyr"] }), Some("cannot be read")),
        (json!({ "iss": "b" }), None),
        (json!({ "aud": "other" }), Some("another audience")),
        (json!({ "aud": null }), Some("another audience")),
        (json!({ "aud": [] }), Some("another audience")),
        (json!({ "aud": ["x", "c"] }), None),
        (json!({ "aud": ["x", 1] }), Some("cannot be read")),
        (json!({ "aud": "Zephyr" }), Some("another audience")),
    ];
    for (changes, refusal) in cases {
        let token = signer.sign("k", &claims_with(&changes));
        match refusal {
            Some(words) => assert_invalid(&auth, &host, &token, words),
            None => assert_eq!(
                outcome(&auth, &host, &token).as_deref(),
                Ok("user-1"),
                "{changes}"
            ),
        }
    }
}

#[test]
fn times_are_checked_with_leeway() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]), "leeway": "10s" }));
    let host = host();
    let cases: [(Value, Option<&str>); 14] = [
        (json!({ "exp": null }), Some("no expiry")),
        (json!({ "exp": NOW - 9 }), None),
        (json!({ "exp": NOW - 10 }), Some("expired")),
        (json!({ "exp": (NOW - 10) as f64 + 0.9 }), Some("expired")),
        (json!({ "exp": (NOW - 9) as f64 + 0.5 }), None),
        (json!({ "exp": 1e300 }), None),
        (json!({ "exp": -1 }), Some("expired")),
        (json!({ "exp": u64::MAX }), None),
        (
            json!({ "exp": (NOW + 600).to_string() }),
            Some("cannot be read"),
        ),
        (json!({ "exp": true }), Some("cannot be read")),
        (json!({ "nbf": NOW + 10 }), None),
        (json!({ "nbf": NOW + 11 }), Some("not valid yet")),
        (
            json!({ "nbf": (NOW + 10) as f64 + 0.1 }),
            Some("not valid yet"),
        ),
        (json!({ "nbf": "now" }), Some("cannot be read")),
    ];
    for (changes, refusal) in cases {
        let token = signer.sign("k", &claims_with(&changes));
        match refusal {
            Some(words) => assert_invalid(&auth, &host, &token, words),
            None => assert_eq!(
                outcome(&auth, &host, &token).as_deref(),
                Ok("user-1"),
                "{changes}"
            ),
        }
    }
}

#[test]
fn a_remembered_token_still_expires() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]), "leeway": "0s" }));
    let host = host();
    let token = signer.sign("k", &claims_with(&json!({ "exp": NOW + 2 })));
    for _ in 0..3 {
        assert_eq!(outcome(&auth, &host, &token).as_deref(), Ok("user-1"));
    }
    assert_eq!(
        host.calls()
            .iter()
            .filter(|call| **call == "signatures.verify")
            .count(),
        1
    );
    host.advance(std::time::Duration::from_secs(2));
    assert_invalid(&auth, &host, &token, "expired");
}

#[test]
fn claims_are_read_strictly() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
    let host = host();
    let sign = |payload: &str| signer.sign_raw(r#"{"alg":"EdDSA","kid":"k"}"#, payload);
    let good = claims().to_string();
    let more = |more: &str| format!("{},{more}}}", &good[..good.len() - 1]);
    let many: Vec<String> = (0..80).map(|n| format!("\"m{n}\":0")).collect();
    let deep = format!("\"deep\":{}{}", "[".repeat(500), "]".repeat(500));
    let bad = [
        more("\"sub\":\"admin\""),
        more("\"s\\u0075b\":\"admin\""),
        more("\"jti\":\"2\""),
        more(&many.join(",")),
        more("\"x\":1") + "x",
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
    ];
    for payload in bad {
        assert_invalid(&auth, &host, &sign(&payload), "claims cannot be read");
    }
    for unknown in ["\"x\":1", &deep] {
        let token = sign(&more(unknown));
        assert_eq!(outcome(&auth, &host, &token).as_deref(), Ok("user-1"));
    }
}

#[test]
fn subject_and_scope_must_fit_into_a_field() {
    let signer = Signer::ed25519(1);
    let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
    let host = host();
    let long = "x".repeat(257);
    for sub in [
        json!(null),
        json!(""),
        json!("a\r\nx: y"),
        json!("a,b"),
        json!(" a"),
        json!(long),
    ] {
        let token = signer.sign("k", &claims_with(&json!({ "sub": sub })));
        assert_invalid(&auth, &host, &token, "no usable subject");
    }
    let token = signer.sign("k", &claims_with(&json!({ "sub": 7 })));
    assert_invalid(&auth, &host, &token, "claims cannot be read");
    for scope in ["a\nb", "a\"b", "ä", "a\tb"] {
        let token = signer.sign("k", &claims_with(&json!({ "scope": scope })));
        assert_invalid(&auth, &host, &token, "scope cannot be read");
    }
    let token = signer.sign("k", &claims_with(&json!({ "sub": "jörg" })));
    assert_eq!(outcome(&auth, &host, &token).as_deref(), Ok("jörg"));
}

proptest! {
    #[test]
    fn no_text_passes_or_panics(text in "\\PC{0,200}") {
        let signer = Signer::ed25519(1);
        let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
        prop_assert!(outcome(&auth, &host(), &text).is_err());
    }

    #[test]
    fn no_header_or_payload_panics(header in "\\PC{0,60}", payload in "\\PC{0,60}") {
        let signer = Signer::ed25519(1);
        let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
        prop_assert!(outcome(&auth, &host(), &signer.sign_raw(&header, &payload)).is_err());
        let header = r#"{"alg":"EdDSA","kid":"k"}"#;
        prop_assert!(outcome(&auth, &host(), &signer.sign_raw(header, &payload)).is_err());
    }

    #[test]
    fn one_changed_character_is_refused(at in 0_usize..400, to in "[A-Za-z0-9_.-]") {
        let signer = Signer::ed25519(1);
        let auth = auth(&json!({ "jwks": jwks(&[signer.jwk("k")]) }));
        let good = signer.sign("k", &claims());
        let at = at % good.len();
        let mut changed = good.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != good);
        prop_assert!(outcome(&auth, &host(), &changed).is_err());
    }
}
