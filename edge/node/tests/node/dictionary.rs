//! Dictionary compression (RFC 9842) through the node, decoded as a client would.

use std::fs;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};

use crate::support::{Fetched, TestNode, TestUpstream, fetch};

const HEADER: [u8; 8] = [0x5e, 0x2a, 0x4d, 0x18, 0x20, 0, 0, 0];

fn version(number: u32) -> String {
    let lines = (0..3000).map(|n| format!("function f{n}() {{ return {n}; }}\n"));
    let text: String = lines.collect();
    text.replacen("return 1500;", &format!("return version{number};"), 1)
}

fn available(dictionary: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(Sha256::digest(dictionary)))
}

/// What a client that has the dictionary makes of a `dcz` answer.
fn decoded(answer: &Fetched, dictionary: &[u8]) -> Vec<u8> {
    assert_eq!(answer.header("content-encoding"), "dcz");
    assert_eq!(answer.body[..8], HEADER);
    assert_eq!(answer.body[8..40], Sha256::digest(dictionary)[..]);
    let coded = std::io::BufReader::new(&answer.body[40..]);
    let mut reader = zstd::stream::read::Decoder::with_ref_prefix(coded, dictionary).unwrap();
    // What clients take at least (RFC 9842, section 5).
    reader.window_log_max(23).unwrap();
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain).unwrap();
    plain
}

async fn get(node: &TestNode, target: &str, fields: &[(&str, &str)]) -> Fetched {
    fetch(node.http(), Method::GET, target, fields).await
}

#[tokio::test]
async fn a_new_version_of_a_file_costs_its_differences() {
    let root = tempfile::tempdir().unwrap();
    for number in [1, 2] {
        let name = format!("app.{number}.js");
        let path = root.path().join(name);
        fs::write(&path, version(number)).unwrap();
    }
    let node = TestNode::start(&format!(
        r#"
        [[routes]]
        name = "assets"
        paths = ["/assets/{{*rest}}"]
        files = {{ root = {:?}, strip = "/assets", cache_control = "max-age=3600" }}
        cache = true
        compress = true
        dictionary = {{ match = "/assets/app.*.js", match_dest = ["script"], id = "app" }}
        "#,
        root.path()
    ))
    .await;
    // A file that was written within a tick of its clock has no tag yet. Each question is another one to
    // the cache.
    let mut questions = 0;
    while get(&node, &format!("/assets/app.2.js?{questions}"), &[])
        .await
        .header("etag")
        .is_empty()
    {
        questions += 1;
    }
    let one = version(1);
    let known = available(one.as_bytes());
    let with_one = [
        ("accept-encoding", "gzip, br, zstd, dcb, dcz"),
        ("available-dictionary", known.as_str()),
    ];
    // Nobody has seen the dictionary yet.
    let before = get(&node, "/assets/app.2.js", &with_one).await;
    assert_eq!(before.header("content-encoding"), "zstd");
    let first = get(
        &node,
        "/assets/app.1.js",
        &[("accept-encoding", "br, zstd, dcz")],
    )
    .await;
    assert_eq!(first.plain(), one.as_bytes());
    let field = r#"match="/assets/app.*.js", match-dest=("script"), id="app""#;
    assert_eq!(first.header("use-as-dictionary"), field);
    assert_eq!(
        first.header("vary"),
        "accept-encoding, available-dictionary"
    );
    for expected in ["Zephyr; fwd=", "Zephyr; hit"] {
        let second = get(&node, "/assets/app.2.js", &with_one).await;
        assert_eq!(decoded(&second, one.as_bytes()), version(2).as_bytes());
        assert!(second.body.len() < 400, "{}", second.body.len());
        assert!(
            second.header("cache-status").starts_with(expected),
            "{second:?}"
        );
        assert_eq!(
            second.header("vary"),
            "accept-encoding, available-dictionary"
        );
        assert!(second.header("etag").starts_with("W/"));
    }
    // Who does not take it, or has another, gets an ordinary coding.
    let other = available(b"something else");
    for fields in [
        &[
            ("accept-encoding", "zstd, dcz;q=0"),
            ("available-dictionary", known.as_str()),
        ][..],
        &[
            ("accept-encoding", "zstd"),
            ("available-dictionary", known.as_str()),
        ],
        &[
            ("accept-encoding", "zstd, dcz"),
            ("available-dictionary", other.as_str()),
        ],
        &[
            ("accept-encoding", "zstd, dcz"),
            ("available-dictionary", "what?"),
        ],
        &[("accept-encoding", "zstd, dcz")],
        // Another origin's dictionary.
        &[
            ("accept-encoding", "zstd, dcz"),
            ("available-dictionary", known.as_str()),
            ("host", "other.example"),
        ],
    ] {
        let got = get(&node, "/assets/app.2.js", fields).await;
        assert_eq!(got.header("content-encoding"), "zstd", "{fields:?}");
        assert_eq!(got.plain(), version(2).as_bytes());
    }
    node.stop().await;
}

#[tokio::test]
async fn an_upstream_says_what_is_a_dictionary() {
    let a = TestUpstream::start(|seen| {
        let number = if seen.target == "/v1" { 1 } else { 2 };
        let mut response = Response::builder().header("content-type", "text/javascript");
        if number == 1 {
            response = response.header("use-as-dictionary", "match=\"/v*\", type=raw");
        }
        response
            .body(Full::new(Bytes::from(version(number))))
            .unwrap()
    })
    .await;
    let node = TestNode::start(&format!(
        r#"
        [upstreams.a]
        url = "{}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        compress = true
        dictionary = {{}}
        "#,
        a.url()
    ))
    .await;
    let one = version(1);
    assert_eq!(
        get(&node, "/v1", &[("accept-encoding", "gzip")])
            .await
            .plain(),
        one.as_bytes()
    );
    let known = available(one.as_bytes());
    let fields = [
        ("accept-encoding", "dcz"),
        ("available-dictionary", known.as_str()),
        ("dictionary-id", "\"x\""),
    ];
    let second = get(&node, "/v2", &fields).await;
    assert_eq!(decoded(&second, one.as_bytes()), version(2).as_bytes());
    for seen in a.seen() {
        assert_eq!(seen.header("accept-encoding"), "identity");
        assert!(!seen.names().contains(&"available-dictionary"), "{seen:?}");
        assert!(!seen.names().contains(&"dictionary-id"), "{seen:?}");
    }
    let head = fetch(node.http(), Method::HEAD, "/v2", &fields).await;
    assert_eq!(head.header("content-encoding"), "dcz");
    node.stop().await;
}

/// What was learned stays when the configuration changes, unless its bounds do.
#[tokio::test]
async fn dictionaries_outlive_a_reload() {
    let a = TestUpstream::start(|seen| {
        let number = if seen.target.contains("app.1") { 1 } else { 2 };
        Response::builder()
            .header("content-type", "text/javascript")
            .header("cache-control", "max-age=3600")
            .header("etag", format!("\"{number}\""))
            .body(Full::new(Bytes::from(version(number))))
            .unwrap()
    })
    .await;
    let config = |compression: &str, more: &str| {
        format!(
            r#"
            [compression]
            {compression}
            [upstreams.a]
            url = "{}"
            [[routes]]
            name = "assets"
            paths = ["/assets/{{*rest}}"]
            upstream = "a"
            cache = true
            compress = true
            dictionary = {{ match = "/assets/app.*.js" }}
            {more}
            "#,
            a.url()
        )
    };
    let node = TestNode::start(&config("", "")).await;
    let one = version(1);
    assert_eq!(
        get(&node, "/assets/app.1.js", &[]).await.plain(),
        one.as_bytes()
    );
    let known = available(one.as_bytes());
    let fields = [
        ("accept-encoding", "dcz, zstd"),
        ("available-dictionary", known.as_str()),
    ];
    let other = "[[routes]]\nname = \"other\"\npaths = [\"/x\"]\nupstream = \"a\"";
    // Each question is another one to the cache.
    let next = async |question: u32| {
        // The first version is a hit by now: nobody learns from that.
        let first = get(&node, "/assets/app.1.js", &[]).await;
        assert!(
            first.header("cache-status").starts_with("Zephyr; hit"),
            "{first:?}"
        );
        get(&node, &format!("/assets/app.2.js?{question}"), &fields).await
    };
    assert_eq!(
        decoded(&next(0).await, one.as_bytes()),
        version(2).as_bytes()
    );
    for (question, (compression, more)) in (1..).zip([
        ("", other),
        ("zstd_level = 4", ""),
        ("zstd_level = 4\nmin_bytes = \"10B\"", other),
    ]) {
        assert_eq!(node.reload(&config(compression, more)).await.status, 200);
        let answer = next(question).await;
        assert_eq!(decoded(&answer, one.as_bytes()), version(2).as_bytes());
    }
    let bounded = config("dictionaries_bytes = \"32MiB\"", "");
    assert_eq!(node.reload(&bounded).await.status, 200);
    assert_eq!(next(9).await.header("content-encoding"), "zstd");
    node.stop().await;
}
