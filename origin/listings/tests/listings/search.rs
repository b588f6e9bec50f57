//! Finding.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zephyr_testkit::TestOrigin;

use crate::{fields, listing, publish, titles};

#[tokio::test]
async fn a_search_ranks_filters_and_sorts() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let with = async |title: &str, description: &str, category: &str, price: i64, size: Value| {
        let body = json!({
            "title": title, "description": description, "category": category,
            "price": { "amount": price, "currency": "EUR" }, "attributes": { "size": size },
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
        titles(&origin, "attr.size=27&sort=price_desc").await,
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
async fn no_parameter_breaks_the_server() {
    let origin = TestOrigin::start().await;
    // A cursor's form, with a time before all times.
    let far = "AXsibmV3ZXN0IjpbLTkwMDAwMDAwMDAwMDAwMDAwMDAsIjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMCJdfQ";
    for (query, name) in [
        ("category=%00", "category"),
        ("category=Bicycles", "category"),
        ("q=%00", "q"),
        ("attr.a=%00", "attr.a"),
        ("currency=%00%00%00", "currency"),
        ("seller=%00", "seller"),
        ("limit=99999999999999999999", "limit"),
        ("min_price=1.5&currency=EUR", "min_price"),
        ("cursor=%00", "cursor"),
        (&format!("cursor={far}"), "cursor"),
        ("%00=1", "\0"),
    ] {
        let answer = origin.get(&format!("/api/listings?{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(fields(answer).await, [name], "{query}");
    }
    // Words may be anything; what is no word finds nothing.
    for query in [
        "q=%27%3B--",
        "q=%26%7C!()",
        "q=%22",
        "q=or",
        "q=%F0%9F%9A%B2",
        "q=-",
    ] {
        assert_eq!(
            titles(&origin, query).await,
            Vec::<String>::new(),
            "{query}"
        );
    }
}

#[tokio::test]
async fn an_unchanged_page_is_not_sent_again() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    publish(&origin, &user, &listing("Touring bicycle", 1)).await;
    let page = origin.get("/api/listings?q=bicycle").await;
    assert_eq!(page.headers()["surrogate-key"], "listing-search");
    assert_eq!(page.headers()["cache-groups"], "\"listing-search\"");
    assert_eq!(
        page.headers()["cache-control"],
        "public, max-age=30, stale-while-revalidate=60"
    );
    let again = async || {
        let again = origin
            .request(Method::GET, "/api/listings?q=bicycle")
            .header("if-none-match", &page.headers()["etag"]);
        again.send().await.unwrap()
    };
    assert_eq!(again().await.status(), StatusCode::NOT_MODIFIED);
    publish(&origin, &user, &listing("City bicycle", 1)).await;
    assert_eq!(again().await.status(), StatusCode::OK);
}
