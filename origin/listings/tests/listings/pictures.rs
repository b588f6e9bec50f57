//! Pictures.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use zephyr_testkit::TestOrigin;

use crate::{listing, path, publish, request};

/// A picture of its own for every number.
fn png(red: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_pixel(8, 6, image::Rgb([red, 0, 0]));
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

async fn shown(origin: &TestOrigin, listing: &str) -> (String, Vec<String>) {
    let read = origin.get(listing).await;
    let etag = read.headers()["etag"].to_str().unwrap().to_owned();
    let listing: Value = read.json().await.unwrap();
    let images = listing["images"].as_array().unwrap();
    let ids = images.iter().map(|image| image["id"].as_str().unwrap());
    (etag, ids.map(str::to_owned).collect())
}

#[tokio::test]
async fn pictures_are_checked_shared_and_bounded() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let made = publish(&origin, &user, &listing("Bicycle", 1)).await;
    let images = format!("{}/images", path(&made));
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
    let (etag, before) = shown(&origin, &path(&made)).await;
    assert_eq!(
        upload(png(3)).await.unwrap().status(),
        StatusCode::OK,
        "it is there"
    );
    assert_eq!(shown(&origin, &path(&made)).await, (etag, before.clone()));

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
    assert_eq!(shown(&origin, &path(&made)).await.1, before[1..]);
    upload(png(0)).await.unwrap();
    let (_, after) = shown(&origin, &path(&made)).await;
    assert_eq!(after[..9], before[1..], "the others moved up");
    assert_eq!(after[9], before[0], "and it is the last now");
}

#[tokio::test]
async fn only_a_sellers_pictures_and_only_pictures() {
    let origin = TestOrigin::start().await;
    let (ada, eve) = (origin.user("ada").await, origin.user("eve").await);
    let made = publish(&origin, &ada, &listing("Bicycle", 1)).await;
    let images = format!("{}/images", path(&made));
    let hers = request(&origin, &eve, Method::POST, &images).body(png(0));
    assert_eq!(hers.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let anonymous = origin.request(Method::POST, &images).body(png(0));
    assert_eq!(
        anonymous.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    let upload = |bytes: Vec<u8>| {
        request(&origin, &ada, Method::POST, &images)
            .body(bytes)
            .send()
    };
    for (bytes, status) in [
        (Vec::new(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (b"GIF89a".to_vec(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (png(0)[..20].to_vec(), StatusCode::BAD_REQUEST),
        (png_head(7000, 6000), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(upload(bytes).await.unwrap().status(), status);
    }
    for id in ["%00", "x", &"0".repeat(64)] {
        let one = request(&origin, &ada, Method::DELETE, &format!("{images}/{id}"));
        assert_eq!(one.send().await.unwrap().status(), StatusCode::NOT_FOUND);
        let media = origin.get(&format!("/media/{id}")).await;
        assert_eq!(media.status(), StatusCode::NOT_FOUND, "{id}");
    }
    let umlaut = origin.get("/media/%C3%A4").await;
    assert_eq!(umlaut.status(), StatusCode::NOT_FOUND);
    assert_eq!(shown(&origin, &path(&made)).await, ("\"1\"".into(), vec![]));
}

/// The signature and head of a PNG that claims a size.
fn png_head(width: u32, height: u32) -> Vec<u8> {
    let mut head = b"IHDR".to_vec();
    head.extend(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&head);
    // CRC-32 (ISO 3309), as PNG has it.
    let crc = !head.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    bytes.extend(crc.to_be_bytes());
    // A chunk of data, empty: decoders look that far for the head's end.
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}

#[tokio::test]
async fn a_known_picture_is_not_sent_again() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let made = publish(&origin, &user, &listing("Bicycle", 1)).await;
    let images = format!("{}/images", path(&made));
    let upload = request(&origin, &user, Method::POST, &images).body(png(0));
    let picture: Value = upload.send().await.unwrap().json().await.unwrap();
    let id = picture["id"].as_str().unwrap();
    let ask = async |id: &str| -> Response {
        let ask = origin.request(Method::GET, &format!("/media/{id}"));
        let ask = ask.header("if-none-match", format!("\"{id}\""));
        ask.send().await.unwrap()
    };
    let known = ask(id).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(
        known.headers()["surrogate-key"].to_str().unwrap(),
        format!("image-{id}")
    );
    assert_eq!(ask(&"0".repeat(64)).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pictures_that_nobody_shows_are_swept_after_a_day() {
    let origin = TestOrigin::start().await;
    let user = origin.user("ada").await;
    let db = &origin.database.db;
    let one = publish(&origin, &user, &listing("Bicycle", 1)).await;
    let other = publish(&origin, &user, &listing("Bicycle", 1)).await;
    let upload = async |listing: &Value, bytes: Vec<u8>| -> String {
        let images = format!("{}/images", path(listing));
        let upload = request(&origin, &user, Method::POST, &images).body(bytes);
        let picture: Value = upload.send().await.unwrap().json().await.unwrap();
        picture["id"].as_str().unwrap().to_owned()
    };
    let (shared, own) = (upload(&one, png(0)).await, upload(&one, png(1)).await);
    assert_eq!(upload(&other, png(0)).await, shared);
    let delete = request(&origin, &user, Method::DELETE, &path(&one)).header("if-match", "*");
    assert_eq!(
        delete.send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );

    let listings = zephyr_listings::Listings::new(db.clone());
    let sweep = async || zephyr_listings::jobs::sweep(&listings).await.unwrap();
    assert_eq!(sweep().await, 0, "somebody may show it yet");
    sqlx::query("update listings.images set created_at = now() - interval '25 hours'")
        .execute(db.write())
        .await
        .unwrap();
    assert_eq!(sweep().await, 1);
    let status = async |id: &str| origin.get(&format!("/media/{id}")).await.status();
    assert_eq!(status(&own).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&shared).await, StatusCode::OK);
    assert_eq!(sweep().await, 0);
}
