//! Folders as targets of routes.

use std::fs;

use http::Method;
use tempfile::TempDir;

use crate::support::{Fetched, TestNode, fetch};

/// A site with a few files, and the rest of its route.
async fn site(route: &str) -> (TempDir, TestNode) {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(root.path().join(name), bytes).unwrap();
    fs::create_dir_all(root.path().join("sub")).unwrap();
    write("index.html", b"<p>home");
    write("sub/index.html", b"<p>sub");
    write("app.js", b"let plain;");
    write("app.js.br", b"pretend this is brotli");
    write(".env", b"SECRET");
    write("large.bin", &large());
    let node = TestNode::start(&format!(
        r#"
        [[routes]]
        name = "files"
        paths = ["/", "/{{*rest}}"]
        {}
        "#,
        route.replace("ROOT", &format!("{:?}", root.path()))
    ))
    .await;
    (root, node)
}

fn large() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| (n % 253) as u8).collect()
}

async fn get(node: &TestNode, target: &str, fields: &[(&str, &str)]) -> Fetched {
    fetch(node.http(), Method::GET, target, fields).await
}

#[tokio::test]
async fn a_folder_is_served() {
    let (_root, node) = site(
        r#"files = { root = ROOT, precompressed = ["br"], cache_control = "max-age=60", fallback = "index.html" }"#,
    )
    .await;
    let home = get(&node, "/", &[]).await;
    assert_eq!(
        (home.status.as_u16(), &home.body[..]),
        (200, &b"<p>home"[..])
    );
    assert_eq!(home.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(home.header("cache-control"), "max-age=60");
    assert_eq!(home.header("via"), "1.1 zephyr");
    let large_one = get(&node, "/large.bin", &[]).await;
    assert!(large_one.body == large());
    assert_eq!(large_one.header("content-length"), "3000000");
    let part = get(&node, "/large.bin", &[("range", "bytes=100000-199999")]).await;
    assert_eq!(part.status, 206);
    assert!(part.body == large()[100_000..200_000]);
    let several = get(
        &node,
        "/large.bin",
        &[("range", "bytes=0-9,1000000-1000009")],
    )
    .await;
    assert_eq!(several.status, 206);
    assert!(
        several
            .header("content-type")
            .starts_with("multipart/byteranges; boundary=")
    );
    let packed = get(&node, "/app.js", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(packed.header("content-encoding"), "br");
    assert_eq!(&packed.body[..], b"pretend this is brotli");
    let again = get(
        &node,
        "/app.js",
        &[
            ("if-none-match", &packed.header("etag")),
            ("accept-encoding", "br"),
        ],
    )
    .await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    let moved = get(&node, "/sub?x=1", &[]).await;
    assert_eq!(
        (moved.status.as_u16(), &*moved.header("location")),
        (301, "/sub/?x=1")
    );
    assert_eq!(get(&node, "/some/page", &[]).await.body, home.body);
    for target in ["/.env", "/none.css", "/%2eenv"] {
        let refused = get(&node, target, &[]).await;
        assert_eq!(refused.status, 404, "{target}");
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }
    assert_eq!(get(&node, "/../etc/passwd", &[]).await.status, 400);
    let head = fetch(node.http(), Method::HEAD, "/large.bin", &[]).await;
    assert_eq!(
        (&*head.header("content-length"), head.body.len()),
        ("3000000", 0)
    );
    let post = fetch(node.http(), Method::POST, "/app.js", &[]).await;
    assert_eq!(
        (post.status.as_u16(), &*post.header("allow")),
        (405, "GET, HEAD")
    );
    node.stop().await;
}

#[tokio::test]
async fn the_cache_may_stand_before_a_folder() {
    let (_root, node) = site(
        "files = { root = ROOT, cache_control = \"max-age=60\" }\ncache = true\ncompress = true\n[compression]\nmin_bytes = \"1B\"",
    )
    .await;
    for (accept, coding) in [("zstd, br", "zstd"), ("br", "br"), ("x", "")] {
        for expected in ["Zephyr; fwd=", "Zephyr; hit"] {
            let got = get(&node, "/app.js", &[("accept-encoding", accept)]).await;
            assert_eq!(got.plain(), b"let plain;");
            assert_eq!(got.header("content-encoding"), coding);
            assert!(
                got.header("cache-status").starts_with(expected),
                "{accept} {got:?}"
            );
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_costs_its_requests() {
    let (root, node) = site("files = { root = ROOT }").await;
    let gone = root.path().to_owned();
    drop(root);
    assert!(!gone.exists());
    assert_eq!(get(&node, "/app.js", &[]).await.status, 500);
    node.stop().await;
}
