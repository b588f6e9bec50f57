//! Sample data is the same everywhere, and comes once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use zephyr_listings::seed::{SeedOptions, seed};
use zephyr_testkit::TestDb;

async fn fingerprint(database: &TestDb) -> String {
    sqlx::query_scalar(
        "select md5(string_agg(concat_ws('|', l.id, seller_id, title, description, category, price,
                    attributes, created_at, (select string_agg(image_id, ',' order by position)
                                             from listings.listing_images where listing_id = l.id)),
                    e'\\n' order by l.id))
         from listings.listings l",
    )
    .fetch_one(database.db.write())
    .await
    .unwrap()
}

#[tokio::test]
async fn it_is_the_same_everywhere_and_comes_once() {
    let options = SeedOptions {
        listings: 1200,
        seller: uuid::Uuid::nil(),
    };
    let (one, two) = (TestDb::new().await, TestDb::new().await);
    assert_eq!(seed(&one.db, options).await.unwrap().listings, 1200);
    assert_eq!(seed(&two.db, options).await.unwrap().listings, 1200);
    let before = fingerprint(&one).await;
    assert_eq!(before, fingerprint(&two).await);

    assert_eq!(seed(&one.db, options).await.unwrap().listings, 0);
    assert_eq!(before, fingerprint(&one).await);
}
