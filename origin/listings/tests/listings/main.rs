//! Listings, over HTTP and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod events;
mod pictures;
mod search;
mod writes;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use zephyr_testkit::{TestOrigin, User};

fn listing(title: &str, price: i64) -> Value {
    json!({
        "title": title, "description": "A sturdy thing.", "category": "bicycles",
        "price": { "amount": price, "currency": "EUR" },
        "attributes": { "gears": 27, "frame": "steel" },
    })
}

fn request(origin: &TestOrigin, user: &User, method: Method, path: &str) -> RequestBuilder {
    origin.request(method, path).bearer_auth(&user.access_token)
}

async fn publish(origin: &TestOrigin, user: &User, body: &Value) -> Value {
    let answer = request(origin, user, Method::POST, "/api/listings").json(body);
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    answer.json().await.unwrap()
}

fn path(listing: &Value) -> String {
    format!("/api/listings/{}", listing["id"].as_str().unwrap())
}

async fn titles(origin: &TestOrigin, query: &str) -> Vec<String> {
    let answer = origin.get(&format!("/api/listings?{query}")).await;
    assert_eq!(answer.status(), StatusCode::OK, "{query}");
    let page: Value = answer.json().await.unwrap();
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["title"].as_str().unwrap().to_owned())
        .collect()
}

async fn fields(answer: Response) -> Vec<String> {
    let problem: Value = answer.json().await.unwrap();
    let errors = problem["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect()
}
