//! Publishing, changing and deleting.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use zephyr_testkit::TestOrigin;

use crate::{fields, listing, path, publish, request, titles};

#[tokio::test]
async fn a_listing_is_published_read_changed_and_deleted() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let made = publish(&origin, &user, &listing("Touring bicycle", 45_000)).await;
    let path = path(&made);

    let read = origin.get(&path).await;
    assert_eq!(read.headers()["etag"], "\"1\"");
    assert!(
        read.headers()["cache-control"]
            .to_str()
            .unwrap()
            .starts_with("public")
    );
    assert_eq!(
        read.headers()["surrogate-key"].to_str().unwrap(),
        format!("listing-{}", made["id"].as_str().unwrap())
    );
    let unchanged = origin
        .request(Method::GET, &path)
        .header("if-none-match", "\"1\"");
    assert_eq!(
        unchanged.send().await.unwrap().status(),
        StatusCode::NOT_MODIFIED
    );

    let change = json!({ "price": { "amount": 40_000, "currency": "EUR" }, "attributes": { "gears": null } });
    let patch = |tag: Option<&str>| {
        let patch = request(&origin, &user, Method::PATCH, &path).json(&change);
        tag.map_or_else(
            || patch.try_clone().unwrap(),
            |tag| patch.try_clone().unwrap().header("if-match", tag),
        )
    };
    assert_eq!(
        patch(None).send().await.unwrap().status(),
        StatusCode::PRECONDITION_REQUIRED
    );
    assert_eq!(
        patch(Some("\"9\"")).send().await.unwrap().status(),
        StatusCode::PRECONDITION_FAILED
    );
    let changed = patch(Some("\"1\"")).send().await.unwrap();
    assert_eq!(changed.headers()["etag"], "\"2\"");
    assert!(
        changed.headers()["cache-group-invalidation"]
            .to_str()
            .unwrap()
            .contains("listing-search")
    );
    let changed: Value = changed.json().await.unwrap();
    assert_eq!(changed["price"]["amount"], 40_000);
    assert_eq!(changed["attributes"], json!({ "frame": "steel" }));
    assert_eq!(
        patch(Some("\"1\"")).send().await.unwrap().status(),
        StatusCode::PRECONDITION_FAILED
    );

    let delete = request(&origin, &user, Method::DELETE, &path).header("if-match", "\"2\"");
    assert_eq!(
        delete.send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(origin.get(&path).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_its_seller_changes_a_listing() {
    let origin = TestOrigin::start().await;
    let (ada, eve) = (origin.user("ada").await, origin.user("eve").await);
    let path = path(&publish(&origin, &ada, &listing("Touring bicycle", 1)).await);
    let patch = request(&origin, &eve, Method::PATCH, &path).header("if-match", "*");
    let patch = patch
        .json(&json!({ "status": "sold" }))
        .send()
        .await
        .unwrap();
    assert_eq!(patch.status(), StatusCode::FORBIDDEN);
    let anonymous = origin
        .request(Method::DELETE, &path)
        .header("if-match", "*")
        .send()
        .await
        .unwrap();
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    // Whatever an edge claims: the origin believes the token alone.
    let forged = origin
        .request(Method::DELETE, &path)
        .header("if-match", "*")
        .header("x-zephyr-subject", ada.id.to_string());
    assert_eq!(
        forged.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn wrong_fields_and_parameters_are_all_named() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let bad = json!({
        "title": "x", "category": "bicycles", "price": { "amount": -1, "currency": "EUR" },
        "attributes": { "a": [1] },
    });
    let answer = request(&origin, &user, Method::POST, "/api/listings")
        .json(&bad)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        fields(answer).await,
        ["title", "price.amount", "attributes.a"]
    );
    let bad = json!({
        "title": 1, "description": "a\0", "category": "space\0ships", "price": { "currency": "euro" },
        "attributes": { "a": null }, "status": "sold", "id": "x",
    });
    let answer = request(&origin, &user, Method::POST, "/api/listings")
        .json(&bad)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        fields(answer).await,
        [
            "category",
            "title",
            "description",
            "price.amount",
            "price.currency",
            "attributes.a",
            "id",
            "status"
        ]
    );
    let nothing = request(&origin, &user, Method::POST, "/api/listings").json(&json!({}));
    assert_eq!(
        fields(nothing.send().await.unwrap()).await,
        ["category", "title", "price"]
    );

    let mut unknown = listing("Touring bicycle", 1);
    unknown["category"] = json!("spaceships");
    let answer = request(&origin, &user, Method::POST, "/api/listings")
        .json(&unknown)
        .send()
        .await
        .unwrap();
    assert_eq!(fields(answer).await, ["category"]);

    let answer = origin.get("/api/listings?limit=1000&colour=red").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(fields(answer).await, ["limit", "colour"]);

    let text = request(&origin, &user, Method::POST, "/api/listings")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(text.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = json!({ "title": "x".repeat(300_000) });
    let answer = request(&origin, &user, Method::POST, "/api/listings")
        .json(&large)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        origin.get("/api/listings/none").await.status(),
        StatusCode::NOT_FOUND
    );
    let put = origin
        .request(Method::PUT, "/api/listings")
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(put.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn the_same_request_has_one_effect() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let send = |body: Value| {
        request(&origin, &user, Method::POST, "/api/listings")
            .header("idempotency-key", "k-1")
            .json(&body)
            .send()
    };
    let (one, two) = tokio::join!(send(listing("Bicycle", 1)), send(listing("Bicycle", 1)));
    let (one, two) = (one.unwrap(), two.unwrap());
    let replayed = |answer: &Response| answer.headers().contains_key("idempotency-replayed");
    assert_ne!(replayed(&one), replayed(&two), "one was first");
    assert_eq!(one.headers()["location"], two.headers()["location"]);
    let bodies: (Value, Value) = (one.json().await.unwrap(), two.json().await.unwrap());
    assert_eq!(bodies.0, bodies.1);
    assert_eq!(titles(&origin, "q=bicycle").await.len(), 1);

    let other = send(listing("Another", 1)).await.unwrap();
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let eve = origin.user("eve").await;
    let hers =
        request(&origin, &eve, Method::POST, "/api/listings").header("idempotency-key", "k-1");
    let hers = hers.json(&listing("Bicycle", 1)).send().await.unwrap();
    assert_eq!(
        hers.status(),
        StatusCode::CREATED,
        "keys of different users never meet"
    );
    assert!(!replayed(&hers));
}

#[tokio::test]
async fn withdrawn_listings_are_not_to_be_found() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let made = publish(&origin, &user, &listing("Bicycle", 1)).await;
    let status = async |status: &str| {
        let patch = request(&origin, &user, Method::PATCH, &path(&made)).header("if-match", "*");
        patch
            .json(&json!({ "status": status }))
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(status("sold").await, StatusCode::OK);
    assert_eq!(titles(&origin, "q=bicycle").await, Vec::<String>::new());
    assert_eq!(origin.get(&path(&made)).await.status(), StatusCode::OK);
    assert_eq!(status("withdrawn").await, StatusCode::OK);
    assert_eq!(
        origin.get(&path(&made)).await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(status("lost").await, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn attributes_are_what_their_category_says() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let mut bad = listing("x", 1);
    bad["attributes"] = json!({ "gears": "many", "condition": "fair", "brand": 7, "own": 7 });
    let answer = request(&origin, &user, Method::POST, "/api/listings").json(&bad);
    assert_eq!(
        fields(answer.send().await.unwrap()).await,
        [
            "title",
            "attributes.brand",
            "attributes.condition",
            "attributes.gears"
        ]
    );

    // A chair may have gears; it cannot become a bicycle with them.
    let mut chair = listing("Office chair", 1);
    chair["category"] = json!("furniture");
    chair["attributes"] = json!({ "gears": "many" });
    let chair = path(&publish(&origin, &user, &chair).await);
    let change = |change: Value| {
        let change = request(&origin, &user, Method::PATCH, &chair)
            .header("if-match", "*")
            .json(&change);
        change.send()
    };
    let bicycle = change(json!({ "category": "bicycles" })).await.unwrap();
    assert_eq!(bicycle.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(fields(bicycle).await, ["attributes.gears"]);
    let wide = change(json!({ "attributes": { "width_cm": true } })).await;
    assert_eq!(fields(wide.unwrap()).await, ["attributes.width_cm"]);
    let both = json!({ "category": "bicycles", "attributes": { "gears": 3 } });
    assert_eq!(change(both).await.unwrap().status(), StatusCode::OK);

    let tree: Value = origin
        .get("/api/listings/categories")
        .await
        .json()
        .await
        .unwrap();
    let tree = tree.as_array().unwrap();
    let of = |slug: &str| tree.iter().position(|category| category["slug"] == slug);
    assert!(of("vehicles") < of("bicycles"), "parents come first");
    let bicycles = &tree[of("bicycles").unwrap()];
    assert_eq!(bicycles["parent"], "vehicles");
    assert_eq!(bicycles["attributes"]["gears"], "integer");
    assert_eq!(bicycles["attributes"]["condition"][0], "new");
}

#[tokio::test]
async fn a_merge_patch_takes_away_what_is_null() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let path = path(&publish(&origin, &user, &listing("Touring bicycle", 1)).await);
    let change = |change: Value| {
        let change = request(&origin, &user, Method::PATCH, &path)
            .header("if-match", "*")
            .header("content-type", "application/merge-patch+json")
            .body(change.to_string());
        change.send()
    };
    let required = json!({ "title": null, "price": null, "category": null, "status": null });
    let refused = change(required).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        fields(refused).await,
        ["category", "title", "price", "status"]
    );
    let unknown = change(json!({ "seller_id": user.id, "version": 1 })).await;
    assert_eq!(fields(unknown.unwrap()).await, ["seller_id", "version"]);

    let cleared = change(json!({ "description": null, "attributes": null })).await;
    let cleared: Value = cleared.unwrap().json().await.unwrap();
    assert_eq!(
        (&cleared["description"], &cleared["attributes"]),
        (&json!(""), &json!({}))
    );
    assert_eq!(
        (&cleared["title"], &cleared["version"]),
        (&json!("Touring bicycle"), &json!(2))
    );
    let same: Value = change(json!({})).await.unwrap().json().await.unwrap();
    assert_eq!(same["title"], "Touring bicycle");
}
