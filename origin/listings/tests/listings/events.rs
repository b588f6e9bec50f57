//! What others are told.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zephyr_testkit::TestOrigin;

use crate::{listing, path, publish, request};

/// The relay takes rows out of the outbox; a trigger sees them go in.
const WATCH: &str = "
    create table public.seen (seq serial, kind text, key text, payload jsonb);
    create function public.see() returns trigger language plpgsql as $$
    begin
        insert into public.seen (kind, key, payload) values (new.kind, new.key, new.payload);
        return new;
    end $$;
    create trigger see before insert on listings.outbox for each row execute function public.see();";

#[tokio::test]
async fn every_write_that_works_is_told_once() {
    let origin = TestOrigin::start().await;
    let db = origin.database.db.write();
    sqlx::raw_sql(WATCH).execute(db).await.unwrap();
    let user = origin.user("ada").await;
    let made = publish(&origin, &user, &listing("Touring bicycle", 1)).await;
    let path = path(&made);

    let change = |tag: &'static str, body: Value| {
        let change = request(&origin, &user, Method::PATCH, &path).header("if-match", tag);
        change.json(&body).send()
    };
    let status = async |tag: &'static str, body: Value| change(tag, body).await.unwrap().status();
    assert_eq!(
        status("\"9\"", json!({ "status": "sold" })).await,
        StatusCode::PRECONDITION_FAILED
    );
    assert_eq!(
        status("\"1\"", json!({ "status": "lost" })).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        status("\"1\"", json!({ "status": "sold" })).await,
        StatusCode::OK
    );
    let delete = request(&origin, &user, Method::DELETE, &path).header("if-match", "\"2\"");
    let deleted = delete.send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);

    let id = made["id"].as_str().unwrap();
    let groups = format!("\"listing-search\", \"listing-{id}\"");
    assert_eq!(
        deleted.headers()["cache-group-invalidation"]
            .to_str()
            .unwrap(),
        groups
    );
    let seen: Vec<(String, String, Value)> =
        sqlx::query_as("select kind, key, payload from public.seen order by seq")
            .fetch_all(db)
            .await
            .unwrap();
    let payload = json!({
        "listing_id": id, "seller_id": user.id,
        "surrogate_keys": ["listing-search", format!("listing-{id}")],
    });
    let told = ["listing.created", "listing.updated", "listing.deleted"];
    let expected = told.map(|kind| (kind.to_owned(), id.to_owned(), payload.clone()));
    assert_eq!(seen, expected);
}
