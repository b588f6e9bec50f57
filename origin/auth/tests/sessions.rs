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

    let all = origin
        .post("/api/auth/register", &json!({ "email": 7, "x": 1 }))
        .await;
    let problem: Value = all.json().await.unwrap();
    let fields: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["email", "password", "display_name", "x"]);
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
async fn failed_logins_lock_an_address_for_a_while_with_and_without_an_account() {
    let origin = TestOrigin::start().await;
    origin.user("ada").await;
    let mut answers = Vec::new();
    for email in ["ada@example.org", "eve@example.org"] {
        let mut of_one = Vec::new();
        for _ in 0..7 {
            let answer = origin
                .post("/api/auth/login", &credentials(email, "wrong"))
                .await;
            let status = answer.status();
            let mut problem: Value = answer.json().await.unwrap();
            problem["request_id"].take();
            of_one.push((status, problem));
        }
        answers.push(of_one);
    }
    let statuses: Vec<_> = answers[0].iter().map(|answer| answer.0.as_u16()).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(answers[0], answers[1], "neither tells who has an account");

    let right = credentials("ADA@example.org", "correct horse battery");
    let locked = origin.post("/api/auth/login", &right).await;
    assert_eq!(locked.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = locked.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");

    // Once the time has passed one more guess doubles it.
    let locked_for = async || -> f64 {
        sqlx::query_scalar("select extract(epoch from locked_until - last_at)::float8 from auth.login_attempts where locked_until > now()")
            .fetch_one(origin.database.db.write())
            .await
            .unwrap()
    };
    let unlock = async || {
        sqlx::query("update auth.login_attempts set locked_until = now() - interval '1 second'")
            .execute(origin.database.db.write())
            .await
            .unwrap();
    };
    unlock().await;
    let wrong = credentials("ada@example.org", "wrong");
    assert_eq!(
        origin.post("/api/auth/login", &wrong).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert!((locked_for().await - 60.0).abs() < f64::EPSILON);

    // The right password opens it, and the count begins anew.
    unlock().await;
    for credentials in [&right, &wrong, &right] {
        let status = origin.post("/api/auth/login", credentials).await.status();
        assert_ne!(status, StatusCode::TOO_MANY_REQUESTS);
    }
}

#[tokio::test]
async fn guesses_at_once_count_like_guesses_in_a_row() {
    let origin = TestOrigin::start().await;
    origin.user("ada").await;
    let wrong = credentials("ada@example.org", "wrong");
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..12 {
        guesses.spawn(
            origin
                .request(reqwest::Method::POST, "/api/auth/login")
                .json(&wrong)
                .send(),
        );
    }
    let answers = guesses.join_all().await;
    let tried = answers
        .into_iter()
        .filter(|answer| answer.as_ref().unwrap().status() == StatusCode::UNAUTHORIZED);
    assert_eq!(tried.count(), 5);
}

#[tokio::test]
async fn texts_that_are_no_address_are_nobodys() {
    let origin = TestOrigin::start().await;
    for email in ["", "a", "a\0b@example.org", &"a".repeat(3000)] {
        let answer = origin
            .post("/api/auth/login", &credentials(email, "correct horse b"))
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{email:?}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
    let long = credentials("a@example.org", &"a".repeat(5000));
    let answer = origin.post("/api/auth/login", &long).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let list = origin.post("/api/auth/login", &json!([])).await;
    assert_eq!(list.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_new_account_is_told_to_others_once() {
    let origin = TestOrigin::start().await;
    // The relay takes rows out of the outbox; a trigger sees them go in.
    sqlx::raw_sql(
        "create table public.seen (kind text, key text, payload jsonb);
         create function public.see() returns trigger language plpgsql as $$
         begin insert into public.seen values (new.kind, new.key, new.payload); return new; end $$;
         create trigger see before insert on auth.outbox for each row execute function public.see();",
    )
    .execute(origin.database.db.write())
    .await
    .unwrap();
    let user = origin.user("ada").await;
    let twice = account("ada@example.org", "correct horse battery");
    origin.post("/api/auth/register", &twice).await;
    let seen: Vec<(String, String, Value)> =
        sqlx::query_as("select kind, key, payload from public.seen")
            .fetch_all(origin.database.db.write())
            .await
            .unwrap();
    let id = user.id.to_string();
    let expected = (
        "user.registered".to_owned(),
        id.clone(),
        json!({ "user_id": id }),
    );
    assert_eq!(seen, [expected]);
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
