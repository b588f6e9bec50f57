//! Listings, over HTTP and a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

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
async fn a_search_ranks_filters_and_sorts() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let with = async |title: &str, description: &str, category: &str, price: i64, gears: Value| {
        let body = json!({
            "title": title, "description": description, "category": category,
            "price": { "amount": price, "currency": "EUR" }, "attributes": { "gears": gears },
        });
        publish(&origin, &user, &body).await
    };
    with(
        "A chair",
        "It stands next to the bicycle.",
        "furniture",
        100,
        json!(1),
    )
    .await;
    with("Red bicycle", "It rides.", "bicycles", 300, json!(27)).await;
    with(
        "Blue bicycle",
        "It rides downhill.",
        "bicycles",
        200,
        json!("27"),
    )
    .await;
    with("Scooter", "No pedals.", "scooters", 150, json!(true)).await;

    let found = titles(&origin, "q=bicycles").await;
    assert_eq!(found.len(), 3, "words are stemmed: {found:?}");
    assert_eq!(
        found[2], "A chair",
        "a title weighs more than a description: {found:?}"
    );
    assert_eq!(
        titles(&origin, "q=bicycle+-red&sort=price_asc").await,
        ["A chair", "Blue bicycle"]
    );
    assert_eq!(
        titles(&origin, "category=vehicles&sort=price_asc").await,
        ["Scooter", "Blue bicycle", "Red bicycle"]
    );
    assert_eq!(
        titles(&origin, "min_price=160&max_price=250&currency=EUR").await,
        ["Blue bicycle"]
    );
    assert_eq!(
        titles(&origin, "min_price=1&currency=USD").await,
        Vec::<String>::new()
    );
    assert_eq!(
        titles(&origin, "attr.gears=27&sort=price_desc").await,
        ["Red bicycle", "Blue bicycle"]
    );
    assert_eq!(
        titles(&origin, "sort=newest").await,
        ["Scooter", "Blue bicycle", "Red bicycle", "A chair"]
    );
    assert_eq!(
        titles(&origin, "q=%22rides+downhill%22").await,
        ["Blue bicycle"]
    );
}

#[tokio::test]
async fn pages_neither_repeat_nor_hide_while_others_publish() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    for number in 0..7 {
        publish(
            &origin,
            &user,
            &listing(&format!("Bicycle {number}"), 100 * (number % 3)),
        )
        .await;
    }
    for sort in ["newest", "price_asc", "price_desc", "relevance&q=bicycle"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = origin
                .get(&format!("/api/listings?limit=2&sort={sort}{cursor}"))
                .await;
            let page: Value = page.json().await.unwrap();
            for item in page["items"].as_array().unwrap() {
                seen.push(item["id"].as_str().unwrap().to_owned());
            }
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
            if seen.len() == 2 && sort == "newest" {
                publish(&origin, &user, &listing("Another thing", 5)).await;
            }
        }
        let mut unique = seen.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), seen.len(), "{sort}: {seen:?}");
        assert!(seen.len() >= 7, "{sort}: {seen:?}");
    }
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
async fn pictures_are_checked_shared_and_bounded() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let made = publish(&origin, &user, &listing("Bicycle", 1)).await;
    let images = format!("{}/images", path(&made));
    let png = |red: u8| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = image::RgbImage::from_pixel(8, 6, image::Rgb([red, 0, 0]));
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    };
    let upload = |bytes: Vec<u8>| {
        request(&origin, &user, Method::POST, &images)
            .body(bytes)
            .send()
    };
    let first = upload(png(0)).await.unwrap();
    assert_eq!(first.status(), StatusCode::CREATED);
    let first: Value = first.json().await.unwrap();
    assert_eq!((&first["width"], &first["height"]), (&json!(8), &json!(6)));

    let media = origin.get(first["url"].as_str().unwrap()).await;
    assert_eq!(media.headers()["content-type"], "image/png");
    assert!(
        media.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(media.bytes().await.unwrap(), png(0));

    assert_eq!(
        upload(b"<svg/>".to_vec()).await.unwrap().status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let large = vec![0; 5 * 1024 * 1024 + 1];
    assert_eq!(
        upload(large).await.unwrap().status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for red in 1..10 {
        assert_eq!(
            upload(png(red)).await.unwrap().status(),
            StatusCode::CREATED
        );
    }
    assert_eq!(
        upload(png(11)).await.unwrap().status(),
        StatusCode::CONFLICT
    );

    let one = format!("{images}/{}", first["id"].as_str().unwrap());
    let gone = request(&origin, &user, Method::DELETE, &one)
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let again = request(&origin, &user, Method::DELETE, &one)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    let shown: Value = origin.get(&path(&made)).await.json().await.unwrap();
    assert_eq!(shown["images"].as_array().unwrap().len(), 9);
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
