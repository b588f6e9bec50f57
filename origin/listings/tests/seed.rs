//! Sample data is the same everywhere, and comes once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use zephyr_listings::seed::{SeedOptions, seed};
use zephyr_testkit::TestDb;

async fn fingerprint(database: &TestDb) -> String {
    sqlx::query_scalar(
        "select md5(string_agg(concat_ws('|', l.id, seller_id, title, description, category, price,
                    attributes, extract(epoch from created_at), (select string_agg(image_id, ',' order by position)
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

    // Every row suits the rules that people's listings have to suit.
    let odd: i64 = sqlx::query_scalar(
        "select count(*) from listings.listings l join listings.categories c on c.slug = l.category
         where not coalesce(c.attributes->'condition' ? (l.attributes->>'condition'), false)
            or jsonb_typeof(l.attributes->'year') <> 'number' or c.parent is null",
    )
    .fetch_one(one.db.write())
    .await
    .unwrap();
    assert_eq!(odd, 0);

    assert_eq!(seed(&one.db, options).await.unwrap().listings, 0);
    assert_eq!(before, fingerprint(&one).await);

    // What is missing comes back, the rest stays.
    for change in [
        "delete from listings.listings where id in (select id from listings.listings order by id limit 3)",
        "update listings.listings set title = 'Changed' where id = (select id from listings.listings order by id desc limit 1)",
    ] {
        sqlx::query(change).execute(one.db.write()).await.unwrap();
    }
    assert_eq!(seed(&one.db, options).await.unwrap().listings, 3);
    let changed: i64 =
        sqlx::query_scalar("select count(*) from listings.listings where title = 'Changed'")
            .fetch_one(one.db.write())
            .await
            .unwrap();
    assert_eq!(changed, 1);
}

/// Whoever changes the sample data, does so knowingly: documentation and screenshots show it.
#[tokio::test]
async fn it_is_the_same_as_ever() {
    let database = TestDb::new().await;
    let options = SeedOptions {
        listings: 200,
        seller: uuid::Uuid::nil(),
    };
    seed(&database.db, options).await.unwrap();
    assert_eq!(
        fingerprint(&database).await,
        "7113cfa1c4190d633da9dc3097bfa4a6"
    );
}
