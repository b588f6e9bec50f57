//! A real EdDSA token, and the key that it verifies under.
//!
//! Signed once, by `openssl` with a key that was thrown away: a benchmark has no need of signing,
//! and so this crate of no cryptography. It expires with the year 2099.

/// The token: issuer and audience `zephyr`, scope `listings:write`.
pub(crate) const TOKEN: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImJlbmNoIn0.\
eyJpc3MiOiJ6ZXBoeXIiLCJhdWQiOiJ6ZXBoeXIiLCJzdWIiOiIwMTg5MGE1ZC1hYzk2LTc3NGItYmNjZS1iMzAyMDk5YTgwNT\
ciLCJzY29wZSI6Imxpc3RpbmdzOndyaXRlIiwiaWF0IjoxNzYzOTQyNDAwLCJleHAiOjQxMDI0NDQ4MDB9.\
tpwPdce93yWbfidxz-nd5vOmhVBzPWcYYEBBzniPF8fg7F_4weksBjcaWVIhAPnRGUnXUKoLLpNB9X9_J3FpAg";

/// The public key (RFC 8037), as the auth filter's configuration takes it.
pub(crate) const JWKS: &str = r#"{ keys = [{ kty = "OKP", crv = "Ed25519", alg = "EdDSA", use = "sig", kid = "bench", x = "Pj2Z3k6aw1nT84qEuUx2kacSnzgDnKnf4oMyMtAKHcY" }] }"#;
