//! The metrics are text that a strict reader takes, and they count what happened.

use std::collections::{BTreeMap, BTreeSet};

use http::Request;

use crate::support::{Answer, Connection, PATIENCE, TestNode, TestUpstream, answer, get, request};

/// What a strict reader makes of an exposition: kinds by family, values by name and labels.
#[derive(Debug, Default)]
struct Metrics {
    kinds: BTreeMap<String, String>,
    values: BTreeMap<String, f64>,
}

/// Reads the text; panics at the first thing that Prometheus or OpenMetrics would not take.
fn read(text: &str, open_metrics: bool) -> Metrics {
    assert!(text.ends_with('\n'));
    let mut metrics = Metrics::default();
    let mut helped = BTreeSet::new();
    let mut current = String::new();
    let mut lines = text.lines();
    for line in &mut lines {
        if line == "# EOF" {
            assert!(open_metrics, "only OpenMetrics has an end");
            break;
        }
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect(line);
            assert!(is_name(name) && !text.is_empty(), "{line}");
            assert!(helped.insert(name.to_owned()), "HELP twice: {line}");
            current = name.to_owned();
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert_eq!(name, current, "TYPE without its HELP before it");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let before = metrics.kinds.insert(name.to_owned(), kind.to_owned());
            assert!(before.is_none(), "TYPE twice: {line}");
            continue;
        }
        assert!(!line.starts_with('#') && !line.is_empty(), "{line}");
        let (series, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
            None => (series, ""),
        };
        read_labels(labels);
        let kind = metrics.kinds.get(&current).expect(line).as_str();
        let endings: &[&str] = match (kind, open_metrics) {
            ("counter", true) => &["_total"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        let ending = name.strip_prefix(current.as_str()).expect(line);
        assert!(endings.contains(&ending), "{line} in {current}");
        if kind == "counter" {
            assert!(name.ends_with("_total"), "{line}");
        }
        let value: f64 = value.parse().expect(line);
        let before = metrics.values.insert(series.to_owned(), value);
        assert!(before.is_none(), "the series is there twice: {line}");
    }
    assert_eq!(lines.next(), None, "something after the end");
    assert_eq!(open_metrics, text.ends_with("# EOF\n"));
    check_histograms(&metrics);
    metrics
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(plain) && name.starts_with(|first: char| first.is_ascii_lowercase())
}

/// `name="value",...` with `\\`, `\"` and `\n` as the only escapes.
fn read_labels(mut text: &str) {
    let mut names = BTreeSet::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect(text);
        assert!(is_name(name) && names.insert(name), "{text}");
        let mut escaped = false;
        let end = rest.char_indices().find_map(|(at, character)| {
            match (escaped, character) {
                (true, '\\' | '"' | 'n') => escaped = false,
                (true, other) => panic!("unknown escape of {other:?} in {text}"),
                (false, '\\') => escaped = true,
                (false, '"') => return Some(at),
                (false, _) => {}
            }
            None
        });
        text = &rest[end.expect("a closing quote") + 1..];
        match text.strip_prefix(',') {
            Some(more) => text = more,
            None => assert!(text.is_empty(), "{text}"),
        }
    }
}

fn check_histograms(metrics: &Metrics) {
    for (name, _) in metrics
        .kinds
        .iter()
        .filter(|(_, kind)| *kind == "histogram")
    {
        let counts = format!("{name}_count{{");
        for (series, count) in metrics
            .values
            .iter()
            .filter(|(s, _)| s.starts_with(&counts))
        {
            let labels = &series[counts.len()..series.len() - 1];
            let last = format!("{name}_bucket{{{labels},le=\"+Inf\"}}");
            assert_eq!(metrics.values[&last], *count, "{last}");
        }
    }
}

impl Metrics {
    fn of(&self, series: &str) -> f64 {
        let found = self.values.get(series);
        *found.unwrap_or_else(|| panic!("no {series} in {:#?}", self.values.keys()))
    }
}

async fn metrics(node: &TestNode) -> Metrics {
    let text = get(node.admin(), "/-/metrics").await;
    assert_eq!(
        text.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    read(&text.body, false)
}

async fn node(a: &TestUpstream) -> TestNode {
    TestNode::start(&format!(
        r#"
        [upstreams.a]
        url = "{}"
        [components.ratelimit]
        path = "$components/ratelimit.wasm"
        kind = "filter"
        [[routes]]
        name = "cached"
        paths = ["/cached/{{*rest}}"]
        upstream = "a"
        cache = true
        [[routes]]
        name = "plain"
        paths = ["/plain/{{*rest}}"]
        upstream = "a"
        cache = false
        [[routes.stages]]
        filter = "ratelimit"
        [routes.stages.config]
        limits = [{{ name = "ip", key = ["ip"], count = 100, period = "1s" }}]
        "#,
        a.url()
    ))
    .await
}

async fn upstream() -> TestUpstream {
    TestUpstream::start(|seen| {
        let mut answer = answer(200, "12345");
        let control = match seen.target.as_str() {
            "/cached/revalidate" if seen.headers.contains_key("if-none-match") => {
                *answer.status_mut() = http::StatusCode::NOT_MODIFIED;
                *answer.body_mut() = Default::default();
                "no-cache"
            }
            "/cached/revalidate" => "no-cache",
            _ => "max-age=60",
        };
        answer
            .headers_mut()
            .insert("cache-control", control.parse().unwrap());
        answer
            .headers_mut()
            .insert("etag", "\"a\"".parse().unwrap());
        answer
    })
    .await
}

#[tokio::test]
async fn they_count_what_happened_to_requests() {
    let a = upstream().await;
    let node = node(&a).await;
    for _ in 0..3 {
        assert_eq!(node.get("/cached/x").await.status, 200);
    }
    for _ in 0..2 {
        assert_eq!(node.get("/cached/revalidate").await.status, 200);
    }
    let post = |path: &str| Request::post(path).body("1234567".to_owned()).unwrap();
    assert_eq!(request(node.http(), post("/cached/x")).await.status, 200);
    assert_eq!(request(node.http(), post("/plain/x")).await.status, 200);
    let mut kept = Connection::open(node.http()).await;
    assert_eq!(kept.get("/nowhere").await.status, 404);
    // The node may not have seen yet that the others were closed.
    let open = "zephyr_edge_protocol_connections_open{protocol=\"http/1.1\"}";
    let settled = async { while node.metric(open).await != 1 {} };
    tokio::time::timeout(PATIENCE, settled).await.unwrap();

    let metrics = metrics(&node).await;
    for (result, count) in [
        ("hit", 2.0),
        ("miss", 2.0),
        ("revalidated", 1.0),
        ("bypass", 1.0),
        ("stale", 0.0),
        ("collapsed", 0.0),
    ] {
        let series =
            format!("zephyr_edge_cache_requests_total{{route=\"cached\",result=\"{result}\"}}");
        assert_eq!(metrics.of(&series), count, "{result}");
    }
    assert_eq!(
        metrics.of("zephyr_edge_cache_hit_ratio{route=\"cached\"}"),
        0.6
    );
    let route = |name: &str, route: &str| metrics.of(&format!("{name}{{route=\"{route}\"}}"));
    assert_eq!(route("zephyr_edge_request_seconds_count", "cached"), 6.0);
    // Hits asked nobody.
    assert_eq!(
        route("zephyr_edge_request_upstream_seconds_count", "cached"),
        4.0
    );
    assert_eq!(route("zephyr_edge_request_bytes_total", "cached"), 7.0);
    assert_eq!(route("zephyr_edge_request_bytes_total", "plain"), 7.0);
    assert_eq!(route("zephyr_edge_response_bytes_total", "plain"), 5.0);
    assert_eq!(
        metrics.of("zephyr_edge_requests_total{route=\"-\",class=\"4xx\"}"),
        1.0
    );
    // The kept one.
    assert_eq!(metrics.of(open), 1.0);
    assert_eq!(metrics.of("zephyr_edge_ready"), 1.0);
    assert!(metrics.of("process_resident_memory_bytes") > 1e6);
    assert!(metrics.of("process_open_fds") > 3.0);
    assert!(metrics.of("process_cpu_seconds_total") >= 0.0);
    let cached = |(series, _): &(&String, &f64)| series.contains("plain");
    let cache_series = metrics.values.iter().filter(cached);
    assert!(
        !cache_series
            .map(|(series, _)| series)
            .any(|s| s.contains("_cache_"))
    );
    node.stop().await;
}

#[tokio::test]
async fn openmetrics_is_there_for_who_asks() {
    let a = upstream().await;
    let node = node(&a).await;
    assert_eq!(node.get("/plain/x").await.status, 200);
    let asked = Request::get("/-/metrics")
        .header(
            "accept",
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
        )
        .body(String::new())
        .unwrap();
    let Answer { headers, body, .. } = request(node.admin(), asked).await;
    assert_eq!(
        headers["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let open = read(&body, true);
    assert_eq!(open.kinds["zephyr_edge_requests"], "counter");
    assert_eq!(
        open.of("zephyr_edge_requests_total{route=\"plain\",class=\"2xx\"}"),
        1.0
    );
    node.stop().await;
}
