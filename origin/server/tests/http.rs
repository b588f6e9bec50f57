//! What every route of the origin has in common: errors, ids, limits, the API's description.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use zephyr_origin::{Config, Server};
use zephyr_testkit::{TestDb, TestOrigin};

/// The problem body of an error answer, after what all of them must have.
async fn problem(answer: Response) -> Value {
    let (status, headers) = (answer.status(), answer.headers().clone());
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["cache-control"], "no-store");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["type"], "about:blank");
    for member in ["title", "detail"] {
        assert!(problem[member].as_str() > Some(""), "{member}: {problem}");
    }
    let id = headers["x-request-id"].to_str().unwrap();
    assert_eq!(problem["request_id"], id);
    problem
}

fn fields(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["field"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn every_error_is_a_problem() {
    let origin = TestOrigin::start().await;
    let unknown = origin.get("/nowhere?secret=1").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let unknown = problem(unknown).await;
    assert!(!unknown.to_string().contains("secret"), "{unknown}");

    let wrong = origin
        .request(Method::PUT, "/api/listings")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    let allow = wrong.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    problem(wrong).await;

    let parameters = origin.get("/api/listings?limit=0&colour=red").await;
    assert_eq!(parameters.status(), StatusCode::BAD_REQUEST);
    assert_eq!(fields(&problem(parameters).await), ["limit", "colour"]);

    let nobody = origin.post("/api/listings", &json!({})).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        nobody.headers()["www-authenticate"],
        "Bearer realm=\"zephyr\""
    );
    problem(nobody).await;
    let forged = origin
        .request(Method::POST, "/api/listings")
        .bearer_auth("a.b.c");
    let forged = forged.json(&json!({})).send().await.unwrap();
    assert_eq!(forged.status(), StatusCode::UNAUTHORIZED);
    let challenge = forged.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
    // What the edge says of a user counts for nothing here.
    let claimed = origin
        .request(Method::POST, "/api/listings")
        .header("x-zephyr-subject", "0190a000-0000-7000-8000-000000000000")
        .header("x-zephyr-scope", "listings:write");
    let claimed = claimed.json(&json!({})).send().await.unwrap();
    assert_eq!(claimed.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_body_is_read_strictly() {
    let origin = TestOrigin::start().await;
    let login = || origin.request(Method::POST, "/api/auth/login");
    let json = "application/json";
    let send = async |content_type: Option<&str>, body: String| {
        let request = login().body(body);
        let request = match content_type {
            Some(value) => request.header("content-type", value),
            None => request,
        };
        request.send().await.unwrap()
    };

    for content_type in [None, Some("text/plain"), Some("application/xml")] {
        let answer = send(content_type, "{}".into()).await;
        assert_eq!(
            answer.status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{content_type:?}"
        );
        problem(answer).await;
    }
    for broken in ["", "{", "\u{feff}{}", "{\"email\": \"\\ud800\"}"] {
        let answer = send(Some(json), broken.into()).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{broken:?}");
        problem(answer).await;
    }
    let deep = format!("{{\"x\": {}", "[".repeat(2_000));
    let deep = send(Some(json), deep).await;
    assert!(deep.status().is_client_error(), "{deep:?}");
    problem(deep).await;
    let huge = format!("{{\"email\": \"{}\"}}", "a".repeat(100_000));
    let huge = send(Some(json), huge).await;
    assert_eq!(huge.status(), StatusCode::PAYLOAD_TOO_LARGE);
    problem(huge).await;

    let unknown = r#"{"email": "a@example.org", "password": "correct horse", "admin": true}"#;
    let unknown = send(Some("application/json; charset=utf-8"), unknown.into()).await;
    assert_eq!(unknown.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let unknown = problem(unknown).await;
    assert!(unknown["errors"].to_string().contains("admin"), "{unknown}");
}

#[tokio::test]
async fn a_request_has_one_id_from_the_edge_to_the_answer() {
    let origin = TestOrigin::start().await;
    let ask = async |id: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static(id));
        let request = origin.request(Method::GET, "/nowhere").headers(headers);
        let answer = request.send().await.unwrap();
        problem(answer).await["request_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(ask("edge-1:0190.a_b").await, "edge-1:0190.a_b");
    for forged in ["two words", "<script>", ""] {
        let made = ask(forged).await;
        assert!(uuid(&made), "{forged:?} became {made:?}");
    }
}

fn uuid(text: &str) -> bool {
    text.len() == 36 && text.split('-').count() == 5
}

#[tokio::test]
async fn the_api_describes_itself() {
    let origin = TestOrigin::start().await;
    let document: Value = origin.get("/openapi.json").await.json().await.unwrap();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3."),
        "{}",
        document["openapi"]
    );
    let paths = document["paths"].as_object().unwrap();
    for (path, method) in [
        ("/api/listings", "get"),
        ("/api/listings", "post"),
        ("/api/listings/{id}", "patch"),
        ("/api/auth/register", "post"),
        ("/api/auth/login", "post"),
        ("/api/auth/refresh", "post"),
        ("/api/auth/logout", "post"),
        ("/admin/api/nodes", "get"),
        ("/admin/api/purge", "post"),
    ] {
        let operation = &paths[path][method];
        assert!(operation.is_object(), "{method} {path}");
        assert!(operation["responses"].is_object(), "{method} {path}");
    }
    // Every reference leads somewhere, and every security scheme is declared.
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        if let Some(reference) = value["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        match value {
            Value::Object(members) => open.extend(members.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    for operation in paths
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
    {
        for scheme in operation["security"].as_array().into_iter().flatten() {
            for name in scheme.as_object().unwrap().keys() {
                let declared = &document["components"]["securitySchemes"][name];
                assert!(declared.is_object(), "{name}");
            }
        }
    }

    let page = origin.get("/docs/").await;
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.unwrap();
    assert!(html.to_lowercase().contains("swagger"), "{html}");
    let jwks: Value = origin
        .get("/.well-known/jwks.json")
        .await
        .json()
        .await
        .unwrap();
    let key = &jwks["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"]),
        (&json!("OKP"), &json!("Ed25519"))
    );
    assert!(key.get("d").is_none(), "the private part stays here");
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken() {
    let origin = TestOrigin::start().await;
    let client = Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!("{}/-/live", origin.url);
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn beyond_its_limit_the_origin_asks_to_come_back_and_probes_still_answer() {
    let database = TestDb::new().await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Config {
        listen: ([127, 0, 0, 1], 0).into(),
        database_url: SecretString::from(database.url.clone()),
        admin_token: SecretString::from("admin-token-of-the-tests"),
        edge_token: SecretString::from("edge-token-of-the-tests"),
        signing_key: folder.path().join("key.pem"),
        max_requests: 0,
        ..Config::default()
    })
    .await
    .unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let url = format!("http://{}{path}", server.addr());
        client.get(url).send().await.unwrap()
    };
    let refused = get("/api/listings").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    problem(refused).await;
    assert_eq!(get("/-/live").await.status(), StatusCode::OK);
    assert_eq!(get("/-/ready").await.status(), StatusCode::OK);
    server.shutdown().await;
}
