//! Accounts and sessions, over HTTP and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use reqwest::StatusCode;
use serde_json::{Value, json};
use zephyr_testkit::TestOrigin;

fn account(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password, "display_name": "Ada" })
}

fn credentials(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

async fn spend(origin: &TestOrigin, token: &str) -> (StatusCode, Value) {
    let answer = origin
        .post("/api/auth/refresh", &json!({ "refresh_token": token }))
        .await;
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn an_account_is_made_once_whatever_the_case() {
    let origin = TestOrigin::start().await;
    let made = origin
        .post(
            "/api/auth/register",
            &account("Ada@example.org", "correct horse b"),
        )
        .await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(made.headers()["cache-control"], "no-store");
    let tokens: Value = made.json().await.unwrap();
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"]),
        (&json!("Bearer"), &json!(600))
    );

    let again = origin
        .post(
            "/api/auth/register",
            &account("ADA@EXAMPLE.ORG", "correct horse b"),
        )
        .await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(again.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn wrong_fields_are_all_named() {
    let origin = TestOrigin::start().await;
    let answer = origin
        .post("/api/auth/register", &account("nobody", "short"))
        .await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Value = answer.json().await.unwrap();
    let fields: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["field"])
        .collect();
    assert_eq!(fields, ["email", "password"]);

    let unknown = origin
        .post(
            "/api/auth/login",
            &json!({ "email": "a", "password": "b", "x": 1 }),
        )
        .await;
    assert_eq!(unknown.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Value = unknown.json().await.unwrap();
    assert_eq!(problem["errors"][0]["field"], "x");
}

#[tokio::test]
async fn a_login_does_not_tell_which_half_was_wrong() {
    let origin = TestOrigin::start().await;
    origin.user("ada").await;
    let right = credentials("ada@example.org", "correct horse battery");
    assert_eq!(
        origin.post("/api/auth/login", &right).await.status(),
        StatusCode::OK
    );

    let mut details = Vec::new();
    for (email, password) in [("ada@example.org", "wrong"), ("eve@example.org", "wrong")] {
        let answer = origin
            .post("/api/auth/login", &credentials(email, password))
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        details.push(answer.json::<Value>().await.unwrap()["detail"].clone());
    }
    assert_eq!(details[0], details[1]);
}

#[tokio::test]
async fn failed_logins_lock_the_account_for_a_while() {
    let origin = TestOrigin::start().await;
    origin.user("ada").await;
    for _ in 0..5 {
        let answer = origin
            .post("/api/auth/login", &credentials("ada@example.org", "wrong"))
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let right = credentials("ada@example.org", "correct horse battery");
    let locked = origin.post("/api/auth/login", &right).await;
    assert_eq!(locked.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = locked.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=31).contains(&seconds), "{seconds}");

    // Once the time has passed the right password opens it, and the count begins anew.
    sqlx::query("update auth.users set locked_until = now() - interval '1 second'")
        .execute(origin.database.db.write())
        .await
        .unwrap();
    assert_eq!(
        origin.post("/api/auth/login", &right).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_session() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let (status, second) = spend(&origin, &user.refresh_token).await;
    assert_eq!(status, StatusCode::OK);
    let second = second["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(second, user.refresh_token);

    assert_eq!(
        spend(&origin, &user.refresh_token).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        spend(&origin, &second).await.0,
        StatusCode::UNAUTHORIZED,
        "whoever has the newest token may be the thief"
    );
}

#[tokio::test]
async fn of_two_uses_at_once_one_wins() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let (one, two) = tokio::join!(
        spend(&origin, &user.refresh_token),
        spend(&origin, &user.refresh_token)
    );
    let mut statuses = [one.0.as_u16(), two.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn logout_ends_the_session_and_can_be_repeated() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let body = json!({ "refresh_token": user.refresh_token });
    for _ in 0..2 {
        let answer = origin.post("/api/auth/logout", &body).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(
        spend(&origin, &user.refresh_token).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        spend(&origin, "zrt_nonsense").await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn secrets_are_not_in_the_database() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let (hash, password): (Vec<u8>, String) =
        sqlx::query_as("select t.hash, u.password_hash from auth.refresh_tokens t, auth.users u")
            .fetch_one(origin.database.db.write())
            .await
            .unwrap();
    assert_eq!(hash.len(), 32);
    assert!(
        !user
            .refresh_token
            .as_bytes()
            .windows(32)
            .any(|part| part == hash)
    );
    assert!(password.starts_with("$argon2id$"), "{password}");
}

#[tokio::test]
async fn the_keys_are_public() {
    let origin = TestOrigin::start().await;
    let jwks: Value = origin
        .get("/.well-known/jwks.json")
        .await
        .json()
        .await
        .unwrap();
    let key = &jwks["keys"][0];
    assert_eq!((&key["kty"], &key["alg"]), (&json!("OKP"), &json!("EdDSA")));
    assert!(key["d"].is_null(), "the private part stays here");
}
