//! Stored answers are dropped through the admin port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use http::Request;
use secrecy::SecretString;
use zephyr_edge::Secrets;

use crate::support::{Answer, Connection, TestNode, TestUpstream, answer, get, request};

fn config(url: &str) -> String {
    format!(
        r#"
        [upstreams.a]
        url = "{url}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        cache = true
        "#
    )
}

/// Everything may be stored, under the key `all`.
async fn upstream() -> TestUpstream {
    TestUpstream::start(|seen| {
        let mut answer = answer(200, seen.target.clone());
        let headers = answer.headers_mut();
        headers.insert("cache-control", "max-age=600".parse().unwrap());
        headers.insert("surrogate-key", "all".parse().unwrap());
        answer
    })
    .await
}

async fn purge(node: &TestNode, body: &str) -> Answer {
    let post = Request::post("/-/purge").body(body.to_owned()).unwrap();
    request(node.admin(), post).await
}

async fn is_hit(node: &TestNode, path: &str) -> bool {
    let answer = node.get(path).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, path));
    answer.header("cache-status").contains("; hit")
}

#[tokio::test]
async fn what_is_named_is_dropped_and_nothing_else() {
    let a = upstream().await;
    let node = TestNode::start(&config(&a.url())).await;
    let host = node.http();
    let paths = ["/img/a", "/img/b/c", "/img", "/other"];
    let cases = [
        (
            format!(r#"{{"url":"http://{host}/img/a"}}"#),
            "url",
            vec!["/img/a"],
        ),
        (
            format!(r#"{{"prefix":"http://{host}/img/"}}"#),
            "prefix",
            vec!["/img/a", "/img/b/c"],
        ),
        (
            format!(r#"{{"prefix":"http://{host}/"}}"#),
            "prefix",
            paths.to_vec(),
        ),
        (
            r#"{"prefix":"http://elsewhere/"}"#.to_owned(),
            "prefix",
            vec![],
        ),
        (
            r#"{"keys":["none","all"]}"#.to_owned(),
            "keys",
            paths.to_vec(),
        ),
        (r#"{"all":true}"#.to_owned(), "all", paths.to_vec()),
    ];
    let mut last = 0;
    for (body, kind, dropped) in cases {
        for path in paths {
            is_hit(&node, path).await;
            assert!(is_hit(&node, path).await, "{path} is stored");
        }
        let receipt = purge(&node, &body).await;
        assert_eq!(receipt.status, 200, "{}", receipt.body);
        let receipt = receipt.json();
        assert_eq!(receipt["kind"], kind);
        assert_eq!(receipt["met"], dropped.len(), "{body}");
        assert!(receipt["purged_at"].as_str().unwrap().ends_with('Z'));
        let sequence = receipt["sequence"].as_u64().unwrap();
        assert!(sequence > last, "sequences grow");
        last = sequence;
        for path in paths {
            assert_eq!(
                is_hit(&node, path).await,
                !dropped.contains(&path),
                "{path} after {body}"
            );
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn what_is_purged_softly_is_validated_and_stands_in_for_an_upstream_that_fails() {
    let fails = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&fails);
    let a = TestUpstream::start(move |_| {
        let status = if now.load(SeqCst) { 500 } else { 200 };
        let mut answer = answer(status, "stored");
        let control = "max-age=600, stale-if-error=600".parse().unwrap();
        answer.headers_mut().insert("cache-control", control);
        answer
    })
    .await;
    let node = TestNode::start(&config(&a.url())).await;
    assert_eq!(node.get("/x").await.body, "stored");
    assert_eq!(node.get("/x").await.body, "stored");
    assert_eq!(a.seen().len(), 1);
    let soft = format!(r#"{{"prefix":"http://{}/","soft":true}}"#, node.http());
    let receipt = purge(&node, &soft).await.json();
    assert_eq!(
        (&receipt["soft"], &receipt["met"]),
        (&true.into(), &1.into())
    );
    fails.store(true, SeqCst);
    let stale = node.get("/x").await;
    assert_eq!(
        (stale.status.as_u16(), stale.body.as_str()),
        (200, "stored")
    );
    assert_eq!(a.seen().len(), 2, "the upstream was asked first");
    // A hard one leaves nothing to stand in.
    assert_eq!(purge(&node, r#"{"all":true}"#).await.status, 200);
    assert_eq!(node.get("/x").await.status, 500);
    node.stop().await;
}

#[tokio::test]
async fn what_is_not_a_purge_is_refused() {
    let a = upstream().await;
    let node = TestNode::start(&config(&a.url())).await;
    for wrong in [
        "",
        "{}",
        r#"{"all":false}"#,
        r#"{"prefix":"http://a/b"}"#,
        r#"{"al":true}"#,
    ] {
        let refused = purge(&node, wrong).await;
        assert_eq!(refused.status, 422, "{wrong}");
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }
    assert_eq!(purge(&node, &" ".repeat(200_000)).await.status, 413);
    let answer = get(node.admin(), "/-/purge").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "POST")
    );
    node.stop().await;
}

#[tokio::test]
async fn changes_need_the_token_where_there_is_one() {
    let a = upstream().await;
    let listen =
        "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin_token_env = \"T\"\n";
    let config = format!("{listen}{}", config(&a.url()));
    let error = TestNode::try_start(&config, Secrets::default()).await.err();
    assert!(format!("{:#}", error.unwrap()).contains("admin_token_env"));
    let secrets = Secrets {
        admin_token: Some(SecretString::from("secret")),
        ..Secrets::default()
    };
    let node = TestNode::try_start(&config, secrets).await.unwrap();
    for path in ["/-/purge", "/-/reload"] {
        for (sent, status) in [
            (None, 401),
            (Some("Bearer wrong"), 401),
            (Some("Bearer secret1"), 401),
            (Some("Basic secret"), 401),
            (Some("Bearer"), 401),
            (Some("bearer secret"), 200),
        ] {
            let mut post = Request::post(path);
            if let Some(sent) = sent {
                post = post.header("authorization", sent);
            }
            let post = post.body(r#"{"all":true}"#.to_owned()).unwrap();
            assert_eq!(
                request(node.admin(), post).await.status,
                status,
                "{path} {sent:?}"
            );
        }
    }
    assert_eq!(get(node.admin(), "/-/ready").await.status, 200);
    node.stop().await;
}

/// A fault: somebody purges without a pause while clients read. What comes after a purge was fetched
/// after it began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_purges_under_load_serves_nothing_old() {
    let version = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&version);
    let a = TestUpstream::start(move |_| {
        let mut answer = answer(200, now.load(SeqCst).to_string());
        let headers = answer.headers_mut();
        headers.insert("cache-control", "max-age=600".parse().unwrap());
        headers.insert("surrogate-key", "all".parse().unwrap());
        answer
    })
    .await;
    let node = TestNode::start(&config(&a.url())).await;
    let (address, admin) = (node.http(), node.admin());
    // Below it everything was purged.
    let floor = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|reader| {
            let (floor, done) = (Arc::clone(&floor), Arc::clone(&done));
            tokio::spawn(async move {
                let mut kept = Connection::open(address).await;
                let mut read = 0;
                while !done.load(SeqCst) {
                    let oldest = floor.load(SeqCst);
                    let answer = kept.get(&format!("/{}", (read + reader) % 7)).await;
                    assert_eq!(answer.status, 200);
                    let version: usize = answer.body.parse().unwrap();
                    assert!(version >= oldest, "{version} was purged before {oldest}");
                    read += 1;
                }
                read
            })
        })
        .collect();
    let bodies = [
        r#"{"keys":["all"]}"#.to_owned(),
        r#"{"all":true}"#.to_owned(),
        format!(r#"{{"prefix":"http://{address}/"}}"#),
    ];
    let mut purger = Connection::open(admin).await;
    for round in 1..=600 {
        version.store(round, SeqCst);
        let body = bodies[round % bodies.len()].clone();
        let post = Request::post("/-/purge").body(body).unwrap();
        assert_eq!(purger.send(post).await.unwrap().status, 200);
        floor.store(round, SeqCst);
    }
    done.store(true, SeqCst);
    let mut read = 0;
    for reader in readers {
        read += reader.await.unwrap();
    }
    assert!(read > 100, "{read} answers were read");
    let entries = node.metric("zephyr_edge_cache_entries").await;
    assert!(entries <= 7 * 2, "{entries} entries of 7 URLs");
    node.stop().await;
}
