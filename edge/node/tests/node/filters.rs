//! Filters in the pipeline: the real components in the real node.

use http::Request;

use crate::support::{Connection, TestNode, TestUpstream, request};

/// A node with one route and these stages. Deadlines are generous: a debug build under load is slow.
fn config(upstream: &TestUpstream, stages: &str) -> String {
    let component = |name: &str| {
        format!(
            "[components.{name}]\npath = \"$components/{name}.wasm\"\nkind = \"filter\"\ndeadline = \"5s\"\nmax_instances = 4\n"
        )
    };
    format!(
        r#"
        [upstreams.a]
        url = "{}"
        {}{}{}
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        {stages}
        "#,
        upstream.url(),
        component("auth"),
        component("ratelimit"),
        component("hostile"),
    )
}

/// A stage of the filter that does as it is told.
fn deed(deed: &str, on_error: &str) -> String {
    format!(
        "[[routes.stages]]\nfilter = \"hostile\"\non_error = \"{on_error}\"\nconfig = {{ do = \"{deed}\" }}\n"
    )
}

const AUTH: &str = r#"
    [[routes.stages]]
    filter = "auth"
    [routes.stages.config]
    issuer = "zephyr"
    audience = "zephyr"
    jwks = { keys = [{ kty = "OKP", crv = "Ed25519", kid = "k", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }
    public = [{ methods = ["GET"] }]
"#;

const RATELIMIT: &str = r#"
    [[routes.stages]]
    filter = "ratelimit"
    [routes.stages.config]
    limits = [{ name = "ip", key = ["ip"], count = 1, period = "1h", burst = 3 }]
"#;

#[tokio::test]
async fn auth_answers_401_before_the_upstream_hears_of_it() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&config(&a, AUTH)).await;
    let post = Request::post("/x").body("secret".into()).unwrap();
    let answer = request(node.http(), post).await;
    assert_eq!(answer.status, 401);
    assert!(
        answer.header("www-authenticate").starts_with("Bearer"),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
    assert!(a.seen().is_empty());
    assert_eq!(node.get("/x").await.body, "a /x", "a public request passes");
    assert_eq!(
        node.metric("zephyr_edge_component_calls_total{component=\"auth\"}")
            .await,
        2
    );
    node.stop().await;
}

#[tokio::test]
async fn the_rate_limiter_answers_429_and_describes_itself_on_every_answer() {
    let a = TestUpstream::named("a").await;
    let node = TestNode::start(&config(&a, &format!("{RATELIMIT}{AUTH}"))).await;
    let mut connection = Connection::open(node.http()).await;
    for _ in 0..2 {
        let answer = connection.get("/x").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("ratelimit").contains("\"ip\""), "{answer:?}");
    }
    // What it asked for on the answer is on one that a later filter makes, too.
    let post = Request::post("/x").body(String::new()).unwrap();
    let answer = connection.send(post).await.unwrap();
    assert_eq!(answer.status, 401);
    assert!(answer.header("ratelimit").contains("\"ip\""), "{answer:?}");
    let answer = request(node.http(), Request::get("/x").body(String::new()).unwrap()).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(answer.json()["status"], 429);
    assert_eq!(a.seen().len(), 2);
    node.stop().await;
}

#[tokio::test]
async fn stages_run_in_order_and_back_in_reverse() {
    let a = TestUpstream::named("a").await;
    let stages = format!("{}{}", deed("nothing", "closed"), deed("nothing", "closed"));
    let node = TestNode::start(&config(&a, &stages)).await;
    let answer = node.get("/x").await;
    assert_eq!(answer.header("x-seen-upstream"), "1");
    assert_eq!(answer.headers.get_all("x-seen-response").iter().count(), 2);
    assert_eq!(
        a.only().header("x-before"),
        "1",
        "a field that a filter sets reaches the upstream"
    );
    node.stop().await;

    // A stage that replies ends the way in; those before it see the answer leave.
    let stages = format!(
        "{}{}{}",
        deed("nothing", "closed"),
        deed("reply", "closed"),
        deed("nothing", "closed")
    );
    let node = TestNode::start(&config(&a, &stages)).await;
    let answer = node.get("/x").await;
    assert_eq!(answer.header("x-seen-upstream"), "");
    assert_eq!(answer.headers.get_all("x-seen-response").iter().count(), 1);
    assert_eq!(a.seen().len(), 1, "the upstream hears nothing");
    node.stop().await;
}

#[tokio::test]
async fn a_filter_that_fails_closes_or_opens_the_way() {
    let a = TestUpstream::named("a").await;
    for wrong in ["trap", "panic", "grow", "bad-status"] {
        let node = TestNode::start(&config(&a, &deed(wrong, "closed"))).await;
        let before = a.seen().len();
        let mut connection = Connection::open(node.http()).await;
        let answer = connection.get("/x").await;
        assert_eq!(answer.status, 500, "{wrong}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
        assert!(
            !answer.body.contains(wrong),
            "no internals: {}",
            answer.body
        );
        // Only the request is lost: the connection and the node go on.
        assert_eq!(connection.get("/x").await.status, 500);
        assert_eq!(a.seen().len(), before);
        node.stop().await;

        let node = TestNode::start(&config(&a, &deed(wrong, "open"))).await;
        assert_eq!(node.get("/x").await.body, "a /x", "{wrong}");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_filter_that_never_returns_is_cut_off() {
    let a = TestUpstream::named("a").await;
    let config = config(&a, &deed("loop", "closed")).replace("\"5s\"", "\"50ms\"");
    let node = TestNode::start(&config).await;
    assert_eq!(node.get("/x").await.status, 500);
    assert_eq!(
        node.metric("zephyr_edge_component_deadlines_total{component=\"hostile\"}")
            .await,
        1
    );
    assert!(a.seen().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn what_a_filter_refuses_stops_the_start_and_says_where() {
    let a = TestUpstream::named("a").await;
    let wrong = AUTH.replace("issuer", "isuer");
    let secrets = zephyr_edge::Secrets::default;
    let error = TestNode::try_start(&config(&a, &wrong), secrets())
        .await
        .err()
        .unwrap();
    let text = format!("{error:#}");
    assert!(text.starts_with("zephyr.toml:"), "{text}");
    assert!(
        text.contains("route \"all\"") && text.contains("isuer"),
        "{text}"
    );

    let missing = config(&a, "").replace("/auth.wasm", "/nowhere.wasm");
    let error = TestNode::try_start(&missing, secrets())
        .await
        .err()
        .unwrap();
    let text = format!("{error:#}");
    assert!(
        text.contains("component \"auth\"") && text.contains("nowhere.wasm"),
        "{text}"
    );

    let garbage = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(garbage.path(), b"\0asm garbage").unwrap();
    let path = garbage.path().display().to_string();
    let config = config(&a, "").replace("$components/auth.wasm", &path);
    let error = TestNode::try_start(&config, secrets()).await.err().unwrap();
    let text = format!("{error:#}");
    assert!(text.contains("component \"auth\""), "{text}");
}
