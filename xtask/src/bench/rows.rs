//! What is measured, and what it is measured against.

use super::body::Body;
use super::case::{Aim, Case, Expected, Protocol, StageKind, Who};
use super::token::TOKEN;

/// The rows of what an added stage costs: kind, name, aim in microseconds.
pub(crate) const ADDED_STAGES: [(StageKind, &str, Option<f64>); 2] = [
    (StageKind::Plain, "added filter stage, no host calls", None),
    (
        StageKind::FourCalls,
        "added filter stage, four host calls",
        Some(8.0),
    ),
];

/// A hit takes no longer than nginx's, at the 99th percentile either.
const HIT: Aim = Aim {
    rate: 1.0,
    p99: true,
};

/// With as many connections, fewer large bodies a second are slower ones: no aim for the latency.
const HUGE: Aim = Aim {
    rate: 0.9,
    p99: false,
};

const PASS: Aim = Aim {
    rate: 1.0,
    p99: false,
};

const FILTERED: Aim = Aim {
    rate: 0.4,
    p99: false,
};

/// All cases, each right behind its yardsticks.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = small_hits();
    for body in [Body::Medium, Body::Huge] {
        cases.extend(hits(body));
    }
    for (protocol, name, body) in [
        (Protocol::Tls, "TLS hit", Body::Small),
        (Protocol::Tls, "TLS hit", Body::Medium),
        (Protocol::Http2, "HTTP/2 hit", Body::Small),
    ] {
        cases.extend(encrypted_hits(protocol, name, body));
    }
    for body in [Body::Small, Body::Large] {
        let path = format!("/static/{}", body.file());
        cases.extend(pair("static file", "file", &path, body, None));
    }
    for (body, aim) in [(Body::Small, PASS), (Body::Huge, HUGE)] {
        let path = format!("/pass/{}", body.file());
        cases.extend(pair("pass-through", "proxy_pass", &path, body, Some(aim)));
    }
    cases.push(Case::new(
        "wasi:http service hello",
        Who::Node,
        "/hello",
        Expected::Text("hello"),
    ));
    for (kind, count) in stage_counts() {
        let path = format!("/{}", stage_route(kind, count));
        let name = format!("{count} stages, {kind:?}");
        let mut case = Case::new(&name, Who::Node, &path, node_hit(Body::Small));
        case.stages = Some((kind, count));
        cases.push(case);
    }
    cases
}

fn small_hits() -> Vec<Case> {
    let body = Body::Small;
    let (nginx, varnish) = ("nginx hit, 1 KiB", "varnish hit, 1 KiB");
    let path = cached(body);
    let mut filtered = Case::new(
        "hit, 1 KiB, four filters",
        Who::Node,
        "/filtered",
        node_hit(body),
    )
    .against(nginx, Some(FILTERED))
    .beside_varnish(varnish);
    filtered.header = Some(format!("Authorization: Bearer {TOKEN}"));
    vec![
        Case::new(nginx, Who::Nginx, &path, cache_hit(body)),
        Case::new(varnish, Who::Varnish, &path, cache_hit(body)),
        Case::new("hit, 1 KiB", Who::Node, &path, node_hit(body))
            .against(nginx, Some(HIT))
            .beside_varnish(varnish),
        filtered,
    ]
}

/// Of a size that is looked for in memory and on disk. nginx has it in files that the system keeps
/// in memory, whatever we call it.
fn hits(body: Body) -> Vec<Case> {
    let size = body.title();
    let nginx = format!("nginx hit, {size}");
    let varnish = format!("varnish hit, {size}");
    let path = cached(body);
    let aim = Some(if body.is_large() { HUGE } else { HIT });
    let ours = |name: &str, who| {
        Case::new(name, who, &path, node_hit(body))
            .against(&nginx, aim)
            .beside_varnish(&varnish)
    };
    vec![
        Case::new(&nginx, Who::Nginx, &path, cache_hit(body)),
        Case::new(&varnish, Who::Varnish, &path, cache_hit(body)),
        ours(&format!("hit, {size}, from memory"), Who::Node),
        ours(&format!("hit, {size}, from disk"), Who::DiskNode),
    ]
}

fn encrypted_hits(protocol: Protocol, name: &str, body: Body) -> [Case; 2] {
    let nginx = format!("nginx {name}, {}", body.title());
    let ours = format!("{name}, {}", body.title());
    let path = cached(body);
    [
        Case::new(&nginx, Who::Nginx, &path, cache_hit(body)).over(protocol),
        Case::new(&ours, Who::Node, &path, node_hit(body))
            .over(protocol)
            .against(&nginx, Some(HIT)),
    ]
}

fn pair(name: &str, nginx: &str, path: &str, body: Body, aim: Option<Aim>) -> [Case; 2] {
    let nginx = format!("nginx {nginx}, {}", body.title());
    let ours = format!("{name}, {}", body.title());
    let expected = Expected::Body(body);
    [
        Case::new(&nginx, Who::Nginx, path, expected),
        Case::new(&ours, Who::Node, path, expected).against(&nginx, aim),
    ]
}

fn cached(body: Body) -> String {
    format!("/cached/{}", body.file())
}

/// As nginx and Varnish are configured to say it.
fn cache_hit(body: Body) -> Expected {
    Expected::Hit {
        field: "x-cache",
        value: "HIT",
        body,
    }
}

fn node_hit(body: Body) -> Expected {
    Expected::Hit {
        field: "cache-status",
        value: "hit",
        body,
    }
}

/// The points of the slopes.
pub(crate) fn stage_counts() -> Vec<(StageKind, u32)> {
    let mut counts = vec![(StageKind::Plain, 0)];
    for kind in [StageKind::Plain, StageKind::FourCalls] {
        counts.extend([1, 2, 4, 8].map(|count| (kind, count)));
    }
    counts
}

/// The route of a point.
pub(crate) fn stage_route(kind: StageKind, count: u32) -> String {
    match kind {
        StageKind::Plain => format!("stages-{count}"),
        StageKind::FourCalls => format!("stages-{count}-calls"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_yardsticks_come_first() {
        let cases = cases();
        for (at, case) in cases.iter().enumerate() {
            let before = &cases[..at];
            assert!(before.iter().all(|other| other.name != case.name));
            for yardstick in [&case.yardstick, &case.varnish].into_iter().flatten() {
                let found = before.iter().find(|other| &other.name == yardstick);
                let found = found.unwrap_or_else(|| panic!("{yardstick} of {}", case.name));
                assert_eq!(found.protocol, case.protocol, "{}", case.name);
                assert_eq!(found.body(), case.body(), "{}", case.name);
            }
        }
    }
}
