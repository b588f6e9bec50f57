//! The admin port.

use http::Request;

use crate::support::{TestNode, TestUpstream, get, request};

#[tokio::test]
async fn it_tells_how_the_node_is() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&format!(
        "[upstreams.a]\nurl = \"{}\"\n[[routes]]\nname = \"all\"\npaths = [\"/{{*rest}}\"]\nupstream = \"a\"\n",
        a.url()
    ))
    .await;
    assert_eq!(get(node.admin(), "/-/live").await.status, 200);
    assert_eq!(get(node.admin(), "/-/ready").await.status, 200);
    assert_eq!(get(node.admin(), "/other").await.status, 404);
    let post = Request::post("/-/live").body(String::new()).unwrap();
    let refused = request(node.admin(), post).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("allow")),
        (405, "GET, HEAD")
    );

    for _ in 0..3 {
        assert_eq!(node.get("/x").await.status, 200);
    }
    let metrics = get(node.admin(), "/-/metrics").await;
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        "zephyr_edge_requests_total{route=\"all\",class=\"2xx\"} 3",
        "zephyr_edge_request_seconds_count{route=\"all\"} 3",
        "zephyr_edge_request_seconds_bucket{route=\"all\",le=\"+Inf\"} 3",
        "zephyr_edge_response_bytes_total{route=\"all\"} 12",
        "zephyr_edge_upstream_requests_total{upstream=\"a\"} 3",
        "zephyr_edge_connections_accepted_total 3",
        "# TYPE zephyr_edge_request_seconds histogram",
    ] {
        assert!(
            metrics.body.lines().any(|l| l == line),
            "{line} in\n{}",
            metrics.body
        );
    }

    let config = get(node.admin(), "/-/config").await.json();
    assert_eq!(config["routes"][0]["name"], "all");
    assert_eq!(config["routes"][0]["upstream"], "a");
    assert_eq!(config["config_sha256"].as_str().unwrap().len(), 64);
    assert!(
        config["node"]
            .as_str()
            .unwrap()
            .ends_with(&node.http().port().to_string())
    );
    node.stop().await;
}
