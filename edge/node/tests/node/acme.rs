//! Certificates ordered from an authority, which proves the node's name by asking it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zephyr_edge::Secrets;

use crate::support::authority::Authority;
use crate::support::tls::{BOTH, client, connect, get};
use crate::support::{TestNode, TestUpstream};

const DONE: &str = "zephyr_edge_acme_orders_total{outcome=\"done\"}";
const FAILED: &str = "zephyr_edge_acme_orders_total{outcome=\"failed\"}";

fn config(authority: &Authority, upstream: &TestUpstream, domains: &str) -> String {
    format!(
        r#"
        [listen]
        http = "127.0.0.1:0"
        https = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        redirect_https = true
        [acme]
        directory = "{}"
        contact = ["mailto:admin@a.test"]
        domains = {domains}
        terms_agreed = true
        [upstreams.a]
        url = "{}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        "#,
        authority.directory(),
        upstream.url()
    )
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    };
    entries.flat_map(below).collect()
}

#[tokio::test]
async fn a_certificate_is_ordered_kept_and_served() {
    let authority = Authority::start().await;
    let upstream = TestUpstream::named("a").await;
    let config = config(&authority, &upstream, "[\"a.test\", \"B.test\"]");
    let node = TestNode::start(&config).await;
    let believes = client(&[authority.root()], BOTH, &["h2"]);
    // Nothing to serve yet, and nothing but that is wrong.
    assert!(connect(node.https(), "a.test", &believes).await.is_err());
    authority.knows(node.http());
    node.until(DONE, 2).await;
    for name in ["a.test", "b.test"] {
        let stream = connect(node.https(), name, &believes).await.unwrap();
        assert_eq!(get(stream, name, "/x").await.body, "a /x");
    }
    let ordered = [
        "account",
        "order",
        "authorization",
        "challenge",
        "order",
        "finalize",
        "order",
        "certificate",
    ];
    assert_eq!(authority.log()[..8], ordered);
    // One account for both; and what a proof is asked for by others is a route's or redirected.
    let accounts = authority
        .log()
        .iter()
        .filter(|what| *what == "account")
        .count();
    assert_eq!(accounts, 1);
    let answer = node.get("/.well-known/acme-challenge/token-0").await;
    assert_eq!(answer.status, 308, "the proof is gone with its order");

    let kept = node.stop().await;
    let secrets = files(&kept.path().join("acme"));
    assert_eq!(secrets.len(), 3, "{secrets:?}");
    for file in &secrets {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }

    // Another start has what it needs.
    let asked = authority.log().len();
    let node = TestNode::start_in(kept, &config, Secrets::default())
        .await
        .unwrap();
    let stream = connect(node.https(), "a.test", &believes).await.unwrap();
    assert_eq!(get(stream, "a.test", "/x").await.status, 200);
    assert_eq!(authority.log().len(), asked);
    node.stop().await;
}

#[tokio::test]
async fn an_order_that_fails_harms_nobody() {
    let authority = Authority::start().await;
    authority.fails();
    let upstream = TestUpstream::named("a").await;
    let folder = tempfile::tempdir().unwrap();
    let own = crate::support::tls::Identity::write(folder.path(), "own", &["own.test"]);
    let config = format!(
        "{}{}",
        config(&authority, &upstream, "[\"a.test\"]"),
        own.config()
    );
    let node = TestNode::start(&config).await;
    node.until(FAILED, 1).await;
    let stream = connect(node.https(), "own.test", &client(&[&own.der], BOTH, &[])).await;
    assert_eq!(get(stream.unwrap(), "own.test", "/x").await.status, 200);
    assert_eq!(node.metric(DONE).await, 0);
    // It is not asked again at once.
    let asked = authority
        .log()
        .iter()
        .filter(|what| *what == "order")
        .count();
    assert_eq!(asked, 1);
    node.stop().await;
}
