//! What is measured, and what it is measured against.

use anyhow::Context as _;

use super::nginx::BODY_BYTES;
use super::probe;
use super::token::TOKEN;

/// What the added stages do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StageKind {
    /// Say "next" at once.
    Plain,
    /// Four host calls before: path, a header, the client's address, setting a header.
    FourCalls,
}

/// The rows of what an added stage costs: kind, name, aim in microseconds.
pub(crate) const ADDED_STAGES: [(StageKind, &str, Option<f64>); 2] = [
    (StageKind::Plain, "added filter stage, no host calls", None),
    (
        StageKind::FourCalls,
        "added filter stage, four host calls",
        Some(8.0),
    ),
];

/// Where a server is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    pub(crate) pid: u32,
    pub(crate) port: u16,
}

/// One thing to put load on.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The server's process.
    pub(crate) pid: u32,
    port: u16,
    path: String,
    /// A field line to send.
    pub(crate) header: Option<String>,
    /// The case that this one is measured against.
    pub(crate) yardstick: Option<String>,
    /// The least ratio that is aimed at.
    pub(crate) aim: Option<f64>,
    /// Set for the points of the slope.
    pub(crate) stages: Option<(StageKind, u32)>,
    expected: Expected,
}

/// What a right answer looks like.
#[derive(Debug)]
enum Expected {
    /// From the cache, told by this field's value.
    Hit {
        field: &'static str,
        value: &'static str,
    },
    /// From the upstream.
    Upstream,
    /// From a component.
    Text(&'static str),
}

const NODE_HIT: Expected = Expected::Hit {
    field: "cache-status",
    value: "hit",
};

impl Case {
    fn new(name: &str, server: Address, path: &str, expected: Expected) -> Self {
        Self {
            name: name.to_owned(),
            pid: server.pid,
            port: server.port,
            path: path.to_owned(),
            header: None,
            yardstick: None,
            aim: None,
            stages: None,
            expected,
        }
    }

    fn against(mut self, yardstick: &str, aim: Option<f64>) -> Self {
        self.yardstick = Some(yardstick.to_owned());
        self.aim = aim;
        self
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }

    /// Asks twice, the first fills the cache, and looks at the second answer.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let ask = || probe::get(self.port, &self.path, self.header.as_deref());
        ask()?;
        let answer = ask().with_context(|| self.name.clone())?;
        let name = &self.name;
        anyhow::ensure!(answer.status == 200, "{name}: status {}", answer.status);
        match &self.expected {
            Expected::Hit { field, value } => {
                let found = answer.header(field).unwrap_or_default();
                let fits = found
                    .split([';', ',', ' '])
                    .any(|part| part.eq_ignore_ascii_case(value));
                anyhow::ensure!(fits, "{name}: `{field}` is {found:?}, not a hit");
            }
            Expected::Text(text) => {
                let found = String::from_utf8_lossy(&answer.body);
                anyhow::ensure!(found.contains(text), "{name}: the body is {found:?}");
                return Ok(());
            }
            Expected::Upstream => (),
        }
        let length = answer.body.len();
        anyhow::ensure!(length == BODY_BYTES, "{name}: the body has {length} bytes");
        Ok(())
    }
}

/// All cases, each right behind its yardstick.
pub(crate) fn cases(nginx: Address, node: Address) -> Vec<Case> {
    let nginx_hit = Expected::Hit {
        field: "x-cache",
        value: "HIT",
    };
    let mut filtered = Case::new("cached hit, four filters", node, "/filtered", NODE_HIT)
        .against("nginx proxy_cache hit", Some(0.4));
    filtered.header = Some(format!("Authorization: Bearer {TOKEN}"));
    let mut cases = vec![
        Case::new("nginx proxy_cache hit", nginx, "/cached", nginx_hit),
        Case::new("cached hit, no filter", node, "/plain", NODE_HIT)
            .against("nginx proxy_cache hit", Some(0.8)),
        filtered,
        Case::new("nginx proxy_pass", nginx, "/pass", Expected::Upstream),
        Case::new("pass-through", node, "/pass", Expected::Upstream)
            .against("nginx proxy_pass", Some(0.8)),
        Case::new(
            "wasi:http service hello",
            node,
            "/hello",
            Expected::Text("hello"),
        ),
    ];
    for (kind, count) in stage_counts() {
        let path = format!("/{}", stage_route(kind, count));
        let mut case = Case::new(&format!("{count} stages, {kind:?}"), node, &path, NODE_HIT);
        case.stages = Some((kind, count));
        cases.push(case);
    }
    cases
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
